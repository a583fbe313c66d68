package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rosterd/rosterd/crm/simorg"
)

// settings are the flags.
type settings struct {
	listen   string
	org      simorg.Options
	seed     int64
	churn    rate
	keyFile  string
	writeKey string
	pubsub   string
	pubsubCA string
	alive    time.Duration
	shutdown time.Duration
}

func parse(args []string, out io.Writer) (*settings, error) {
	s := &settings{shutdown: 3 * time.Second}
	fs := flag.NewFlagSet("rostersim", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.StringVar(&s.listen, "listen", "127.0.0.1:0", "loopback `address` to serve on; port 0 picks a free one")
	fs.IntVar(&s.org.Users, "users", 5000, "`number` of people in the org")
	fs.Int64Var(&s.seed, "seed", 1, "`seed` that chooses the people and the churn")
	fs.IntVar(&s.org.Quota, "quota", 100_000, "API `calls` allowed in 24 hours")
	fs.DurationVar(&s.org.SessionTTL, "session", 2*time.Hour, "life of an idle session")
	fs.BoolVar(&s.org.Plain, "plain", false, "only active standard users with addresses of their own")
	fs.BoolVar(&s.org.IsSandbox, "sandbox", false, "be a sandbox")
	fs.StringVar(&s.org.OrgID, "org-id", "", "`id` of the org")
	fs.Var(&s.churn, "churn", "joiners, movers and leavers trickling in, as `RATE` such as 2/s or 30/m")
	fs.StringVar(&s.org.ClientID, "client-id", "rosterd-demo", "consumer `key` of the connected app")
	fs.StringVar(&s.org.ClientSecret, "client-secret", "", "consumer `secret`; opens the client credentials flow")
	fs.StringVar(&s.org.Username, "username", "rosterd@acme.example", "integration `user`")
	fs.StringVar(&s.keyFile, "key", "", "PEM `file` with a public key, certificate or private key that verifies assertions")
	fs.StringVar(&s.writeKey, "write-key", "", "make a key pair and write the private key to this `file`")
	fs.StringVar(&s.pubsub, "pubsub", "127.0.0.1:0", "loopback `address` of the change events (Pub/Sub API), or off for none")
	fs.StringVar(&s.pubsubCA, "pubsub-ca", "", "serve the change events over TLS, and write the certificate of the CA to this `file`")
	fs.DurationVar(&s.alive, "keepalive", 270*time.Second, "longest silence of a stream of change events")
	fs.IntVar(&s.org.Deliveries, "deliveries", 25_000, "change `events` that may be delivered in 24 hours")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: rostersim takes only flags", fs.Arg(0))
	case s.org.Users < 0 || s.org.Users > 20_000_000:
		return nil, fmt.Errorf("-users %d: must lie between 0 and 20000000", s.org.Users)
	case s.alive <= 0:
		return nil, fmt.Errorf("-keepalive %s: must be above zero", s.alive)
	case s.keyFile != "" && s.writeKey != "":
		return nil, errors.New("-key and -write-key exclude each other: -write-key makes a new key")
	}
	s.org.Seed = uint64(s.seed)
	if s.pubsub != "off" {
		if err := requireLoopback("-pubsub", s.pubsub); err != nil {
			return nil, err
		}
	}
	return s, requireLoopback("-listen", s.listen)
}

// requireLoopback refuses addresses that others could reach: the simulator lets anybody edit its org.
func requireLoopback(name, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %s: %w (write it as 127.0.0.1:8480)", name, addr, err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s %s: not a loopback address; anybody who reaches the simulator can edit its org, so use 127.0.0.1 or [::1]", name, addr)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args, out)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.org.PublicKey, err = s.publicKey(); err != nil {
		return err
	}
	org := simorg.New(s.org)
	ch := newChurner(org, s.churn, rand.New(rand.NewPCG(uint64(s.seed), 1)))
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer lis.Close() // again after Shutdown, which is harmless
	events, endpoint, err := s.serveEvents(org)
	if err != nil {
		return err
	}
	if events != nil {
		defer events.Close() // after everything that could want to hear of the last changes
	}
	srv := &http.Server{
		Handler: newControl(org, ch).handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		WriteTimeout: 10 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return ch.run(ctx) })
	group.Go(func() error {
		if err := srv.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		org.Faults().Clear() // releases hanging calls
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.shutdown)
		defer cancel()
		if srv.Shutdown(end) != nil {
			return srv.Close()
		}
		return nil
	})
	url := "http://" + lis.Addr().String()
	if err := json.NewEncoder(out).Encode(ready{
		URL: url, Control: url + "/sim/", OrgID: org.ID(), Users: org.Len(), ClientID: s.org.ClientID, Username: s.org.Username,
		PrivateKeyFile: s.writeKey, PubSubEndpoint: endpoint, CAFile: s.pubsubCA, PID: os.Getpid(),
	}); err != nil {
		return fmt.Errorf("say where it listens: %w", err)
	}
	return group.Wait()
}

// serveEvents serves the change events, unless they are off.
func (s *settings) serveEvents(org *simorg.Org) (p *simorg.PubSub, endpoint string, err error) {
	if s.pubsub == "off" {
		return nil, "", nil
	}
	p, err = org.PubSub(simorg.PubSubOptions{Addr: s.pubsub, TLS: s.pubsubCA != "", Keepalive: s.alive})
	if err != nil {
		return nil, "", err
	}
	if s.pubsubCA == "" {
		return p, p.Endpoint(), nil
	}
	if err := os.WriteFile(s.pubsubCA, p.CA(), 0o644); err != nil {
		return nil, "", errors.Join(fmt.Errorf("write the certificate of the CA: %w", err), p.Close())
	}
	return p, p.Endpoint(), nil
}

// ready is the line printed once the org can be reached.
type ready struct {
	URL            string `json:"url"`
	Control        string `json:"control"`
	OrgID          string `json:"org_id"`
	Users          int    `json:"users"`
	ClientID       string `json:"client_id"`
	Username       string `json:"username"`
	PrivateKeyFile string `json:"private_key_file,omitempty"`
	PubSubEndpoint string `json:"pubsub_endpoint,omitempty"`
	CAFile         string `json:"ca_file,omitempty"`
	PID            int    `json:"pid"`
}
