package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rosterd/rosterd/control"
)

const (
	sqlite      = "sqlite"
	postgres    = "postgres"
	postgresVar = "ROSTERD_TEST_POSTGRES"
)

// sim is a simulated org in a process of its own.
type sim struct {
	*process
	URL      string `json:"url"`
	ClientID string `json:"client_id"`
	Username string `json:"username"`
	Key      string `json:"private_key_file"`
	Events   string `json:"pubsub_endpoint"`
}

func (b *bench) startSim(ctx context.Context, users int) (*sim, error) {
	var line []byte
	p, err := b.start(ctx, &line, "rostersim", "--users", fmt.Sprint(users), "--plain", "--quota", "1000000",
		"--deliveries", "1000000", "--write-key", b.path("key.pem"), "--listen", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &sim{process: p}
	if err := json.Unmarshal(line, s); err != nil {
		p.stop()
		return nil, fmt.Errorf("read where rostersim listens: %w", err)
	}
	return s, nil
}

// orgAndDatabase starts a simulated org of so many users and makes an empty
// database for it. end stops the one and drops the other.
func (b *bench) orgAndDatabase(ctx context.Context, store string, users int) (s *sim, url string, end func(), err error) {
	if s, err = b.startSim(ctx, users); err != nil {
		return nil, "", nil, err
	}
	url, drop, err := b.database(ctx, store)
	if err != nil {
		s.stop()
		return nil, "", nil, err
	}
	return s, url, func() { drop(); s.stop() }, nil
}

// database is a fresh one, and how to be rid of it.
func (b *bench) database(ctx context.Context, name string) (string, func(), error) {
	if name == sqlite {
		path := b.path("rosterd.db")
		return "sqlite://" + path, func() {
			for _, end := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(path + end) // the folder goes away later
			}
		}, nil
	}
	b.next++
	base, db := os.Getenv(postgresVar), fmt.Sprintf("rosterd_bench_%d_%d", os.Getpid(), b.next)
	if err := admin(ctx, base, "CREATE DATABASE "+db); err != nil {
		return "", nil, fmt.Errorf("create a database: %w", err)
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", nil, errors.New(postgresVar + " is not a URL")
	}
	u.Path = "/" + db
	return u.String(), func() {
		if err := admin(context.WithoutCancel(ctx), base, "DROP DATABASE "+db+" WITH (FORCE)"); err != nil {
			fmt.Fprintln(b.out, "a database is left behind:", err)
		}
	}, nil
}

func admin(ctx context.Context, url, statement string) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	_, err = c.Exec(ctx, statement)
	return err
}

// daemon is a rosterd process and a client of it.
type daemon struct {
	*process
	*control.Client
	console string // its address, "" where there is none
}

const benchToken = "bench-token-0123456789"

// manner is how a daemon works. In the zero one its only runs are those that are
// asked for, and the first.
type manner struct {
	listen   string // the rest of its control section
	changes  string // how they are found; empty is by polls, which never come
	snapshot string // empty is by REST
	poll     time.Duration
}

// configuration of a daemon.
const configuration = `database: %q
control: {socket: %q, %s}
log: {level: warn, format: text}
orgs:
  - name: acme
    salesforce:
      login_url: %q
      client_id: %q
      username: %q
      private_key_file: %q
      budget: {calls_per_day: 500000, reserve_percent: 1}
      changes: %s
      snapshot: %s
      pubsub_endpoint: %s
    schedule: {full: "0 0 1 1 *", poll: %s}
    licenses: [{type: powerdialer, seats: %d, default: true}]
`

func (b *bench) startDaemon(ctx context.Context, s *sim, database string, seats int) (*daemon, error) {
	return b.startAs(ctx, s, database, seats, manner{})
}

// startConsole starts a daemon with a console for the bearer of benchToken.
func (b *bench) startConsole(ctx context.Context, s *sim, database string, seats int) (*daemon, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at := l.Addr().String() // free a moment ago
	tokens := b.path("tokens")
	if err := errors.Join(l.Close(), os.WriteFile(tokens, []byte("admin bench "+benchToken+"\n"), 0o600)); err != nil {
		return nil, err
	}
	d, err := b.startAs(ctx, s, database, seats, manner{listen: fmt.Sprintf("listen: %q, tokens_file: %q", at, tokens)})
	if err == nil {
		d.console = "http://" + at
	}
	return d, err
}

func (b *bench) startAs(ctx context.Context, s *sim, database string, seats int, m manner) (*daemon, error) {
	socket, file := b.path("s"), b.path("config.yaml")
	text := fmt.Sprintf(configuration, database, socket, cmp.Or(m.listen, `listen: ""`), s.URL, s.ClientID, s.Username, s.Key,
		cmp.Or(m.changes, "poll"), cmp.Or(m.snapshot, "rest"), s.Events, cmp.Or(m.poll, 24*time.Hour), seats)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := b.start(ctx, nil, "rosterd", "run", "--config", file)
	if err != nil {
		return nil, err
	}
	c, err := control.NewClient(control.ClientOptions{Socket: socket, Org: "acme"})
	if err != nil {
		p.stop()
		return nil, err
	}
	d := &daemon{process: p, Client: c}
	for wait := time.Now().Add(time.Minute); ; {
		if err = d.leads(ctx); err == nil {
			return d, nil
		}
		if time.Now().After(wait) || ctx.Err() != nil {
			d.stop()
			return nil, fmt.Errorf("rosterd does not take charge: %w: %s", err, p.stderr)
		}
		pause(ctx, 20*time.Millisecond)
	}
}

// leads returns nil once the daemon is in charge: Postgres may hold on to the
// lease of the one before for as long as it takes to end its session.
func (d *daemon) leads(ctx context.Context) error {
	status, err := d.Status(ctx)
	if err != nil {
		return err
	}
	for _, org := range status.Orgs {
		if org.State == "standby" {
			return errors.New("it stands by")
		}
	}
	return nil
}

func (d *daemon) stop() {
	d.Client.Close()
	d.process.stop()
}

// first waits for the run that a fresh daemon begins by itself.
func (d *daemon) first(ctx context.Context) (control.Run, error) {
	for {
		page, err := d.Runs(ctx, 0, 10)
		if err != nil {
			return control.Run{}, err
		}
		if len(page.Runs) > 0 {
			return d.ended(ctx, page.Runs[0].ID)
		}
		if !pause(ctx, 20*time.Millisecond) {
			return control.Run{}, ctx.Err()
		}
	}
}

// full asks for a full sync and waits for its end.
func (d *daemon) full(ctx context.Context) (control.Run, error) {
	started, err := d.Sync(ctx, control.SyncRequest{Kind: "full", Reason: "benchmark"})
	if err != nil {
		return control.Run{}, err
	}
	return d.ended(ctx, started.Run.ID)
}

func (d *daemon) ended(ctx context.Context, id int64) (control.Run, error) {
	for {
		r, err := d.Run(ctx, id)
		if err != nil {
			return r, err
		}
		switch r.Outcome {
		case "running":
		case "succeeded":
			return r, nil
		default:
			return r, fmt.Errorf("run %d ended %s: %s", r.ID, r.Outcome, r.Error)
		}
		if !pause(ctx, 50*time.Millisecond) {
			return r, ctx.Err()
		}
	}
}

// pause reports whether it was not interrupted.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
