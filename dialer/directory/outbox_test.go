package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory"
	"github.com/rosterd/rosterd/store"
	"github.com/rosterd/rosterd/store/storetest"
)

// post is somebody who takes messages, or refuses them.
type post struct {
	mu      sync.Mutex
	fail    error // guarded by mu, as are the others
	keys    []string
	bodies  []string
	letters []dialer.Letter
}

func (p *post) Send(_ context.Context, m dialer.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, m.Key)
	p.bodies = append(p.bodies, string(m.Payload))
	return p.fail
}

func (p *post) SendLetter(_ context.Context, l dialer.Letter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letters = append(p.letters, l)
	return p.fail
}

func (p *post) refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = err
}

// deliver delivers what is due, and says how many reached p.
func (d *office) deliver(p *post) int {
	d.Helper()
	p.mu.Lock()
	before := len(p.keys) + len(p.letters)
	p.mu.Unlock()
	for {
		more, _ := d.StepOutbox(d.Context(), directory.Senders{Leads: p, Invitations: p})
		if !more {
			return len(p.keys) + len(p.letters) - before
		}
	}
}

// leads says how many messages about leads wait.
func (d *office) leads() int64 {
	d.Helper()
	counts, err := d.MessageCounts(d.Context())
	d.must(err)
	for _, c := range counts {
		if c.Kind == dialer.MessageUnassignLeads {
			return c.Pending
		}
	}
	return -1
}

func TestDeleteUnassignsLeads(t *testing.T) {
	offices(t, directory.Options{}, func(t *testing.T, d *office) {
		people := d.hire(3)
		p := &post{fail: errors.New("away")}
		d.apply(dialer.Change{Verb: dialer.VerbDelete, UserID: people[1]})
		d.Apply(t.Context(), []dialer.Change{{Verb: dialer.VerbDelete, UserID: people[1], Actor: root}}) // again
		if n := d.leads(); n != 1 {
			t.Fatalf("%d messages wait after a deletion", n)
		}
		// However often it fails, and for good too, it is sent again: each time later.
		var waits []time.Duration
		for i := range 14 {
			if i == 5 {
				p.refuse(dialer.ErrUndeliverable)
			} else {
				p.refuse(errors.New("away"))
			}
			if n := d.deliver(p); n != 1 {
				t.Fatalf("attempt %d: %d were sent", i+1, n)
			}
			list, err := d.Messages(t.Context(), dialer.MessageQuery{State: dialer.MessagePending})
			d.must(err)
			w := list[0].NextAt.Sub(d.clock())
			waits = append(waits, w)
			d.wait(w - time.Millisecond)
			if n := d.deliver(p); n != 0 {
				t.Fatalf("attempt %d: sent again too early", i+1)
			}
			d.wait(time.Millisecond)
		}
		if waits[0] < 4*time.Second || waits[0] > 6*time.Second || waits[13] < 48*time.Minute || waits[13] > 72*time.Minute {
			t.Errorf("waits: %v", waits)
		}
		p.refuse(nil)
		if n := d.deliver(p); n != 1 || d.leads() != 0 {
			t.Errorf("%d were sent, %d wait", n, d.leads())
		}
		d.wait(24 * time.Hour)
		if n := d.deliver(p); n != 0 {
			t.Errorf("%d were sent after it was acknowledged", n)
		}
		for _, k := range p.keys {
			if k != "leads_unassign/"+people[1] {
				t.Errorf("key %s", k)
			}
		}
		var got struct {
			Event  string `json:"event"`
			Org    string `json:"org"`
			UserID string `json:"user_id"`
			Linked string `json:"salesforce_id"`
		}
		d.must(json.Unmarshal([]byte(p.bodies[0]), &got))
		if got.Event != "leads.unassign" || got.Org != "acme" || got.UserID != people[1] || got.Linked != person(2).SalesforceID {
			t.Errorf("payload %s", p.bodies[0])
		}

		// A mass deletion sends one for each.
		d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassDelete}))
		if n := d.deliver(p); n != 2 {
			t.Errorf("%d were sent after two were deleted", n)
		}
	})
}

// A program that dies with a message in its hands leaves it to be sent again,
// and two that run at once do not send it twice.
func TestOutboxTwoRunners(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open func() *store.DB) {
		d := newOffice(t, open(), "acme", directory.Options{})
		second := directory.New(open(), d.org, directory.Options{Now: d.clock})
		people := d.hire(150)
		p := &post{}
		d.run(d.preview(dialer.MassRequest{Scope: ids(people...), Action: dialer.MassDelete}))
		dead, die := context.WithCancel(t.Context())
		die()
		_, _ = d.StepOutbox(dead, directory.Senders{Leads: p})
		var wg sync.WaitGroup
		for _, dir := range []*directory.Directory{d.Directory, second} {
			wg.Go(func() {
				for more := true; more; {
					var err error
					if more, err = dir.StepOutbox(t.Context(), directory.Senders{Leads: p}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		d.wait(time.Hour) // what the dead one had
		d.deliver(p)
		seen := map[string]int{}
		for _, k := range p.keys {
			seen[k]++
		}
		if len(seen) != 150 || len(p.keys) != 150 || d.leads() != 0 {
			t.Errorf("%d messages, %d sent", len(seen), len(p.keys))
		}
	})
}

func TestInvitationOnce(t *testing.T) {
	o := directory.Options{Invite: dialer.InviteAdded, InviteURL: "https://dialer.example.com/welcome"}
	offices(t, o, func(t *testing.T, d *office) {
		p := &post{}
		people := d.hire(2)
		quiet := d.Apply(t.Context(), []dialer.Change{
			{Verb: dialer.VerbCreate, User: person(3), Actor: root, NoInvite: true},
			{Verb: dialer.VerbCreate, User: person(4), Actor: dialer.Actor{Kind: dialer.ActorSync}},
		})
		if n := d.deliver(p); n != 2 || p.letters[0].To == p.letters[1].To {
			t.Fatalf("%d letters for two people who were added", n)
		}
		// Nothing that happens later sends another.
		for _, id := range append(people, quiet[1].UserID) {
			d.apply(dialer.Change{Verb: dialer.VerbUpdate, UserID: id, User: dialer.User{Title: "Rep"}, Fields: []dialer.Field{dialer.FieldTitle}, Actor: dialer.Actor{Kind: "admin"}})
			d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: id})
		}
		for _, id := range people {
			d.apply(dialer.Change{Verb: dialer.VerbActivate, UserID: id})
			_, err := d.Invite(t.Context(), id, false, "", root)
			d.must(err)
		}
		if n := d.deliver(p); n != 0 {
			t.Errorf("%d letters were sent again", n)
		}
		if m, err := d.Invitations(t.Context(), append(people, quiet[0].UserID)); err != nil || len(m) != 2 || m[people[0]].State != dialer.InviteSent {
			t.Errorf("got %+v, %v", m, err)
		}
		i, err := d.Invite(t.Context(), people[0], true, "", root)
		if err != nil || i.Epoch != 2 || i.State != dialer.InviteQueued {
			t.Errorf("again: %+v, %v", i, err)
		}
		if n := d.deliver(p); n != 1 {
			t.Errorf("%d letters after a person asked for another", n)
		}
		if _, err := d.Invite(t.Context(), quiet[1].UserID, false, "", root); !errors.Is(err, directory.ErrNoAccess) {
			t.Errorf("who has no access: %v", err)
		}
		var stored string
		d.must(d.db.Read(t.Context(), func(tx *store.Tx) error {
			return tx.QueryRow(t.Context(), "SELECT string_agg(payload || key, ' ') FROM outbox").Scan(&stored)
		}))
		if strings.Contains(stored, "example.com") || strings.Contains(stored, string(p.letters[0].Link)) {
			t.Errorf("the outbox holds %s", stored)
		}
	})
}

func TestAcceptInvitation(t *testing.T) {
	o := directory.Options{Invite: dialer.InviteAll, InviteURL: "https://dialer.example.com/welcome", InviteTTL: 48 * time.Hour}
	offices(t, o, func(t *testing.T, d *office) {
		p := &post{fail: errors.New("away")}
		people := d.hire(1)
		d.deliver(p)
		d.wait(time.Minute)
		p.refuse(nil)
		d.deliver(p)
		first, again := p.letters[0], p.letters[1]
		if first.Link != again.Link || first.Key != again.Key {
			t.Error("a second attempt sent another link")
		}
		token := func(l dialer.Letter) dialer.Secret {
			_, token, ok := strings.Cut(string(l.Link), "https://dialer.example.com/welcome#")
			if !ok {
				t.Fatal("the link leads elsewhere")
			}
			return dialer.Secret(token)
		}
		for _, bad := range []dialer.Secret{"", "x", ".", "a\x00.1.b", token(first) + "x", dialer.Secret(people[0] + ".1.AAAA"), dialer.Secret(strings.Replace(string(token(first)), ".1.", ".2.", 1))} {
			_, err := d.AcceptInvitation(t.Context(), bad, "a lasting pass phrase")
			d.expect(err, dialer.ErrInvitation)
		}
		_, err := d.AcceptInvitation(t.Context(), token(first), "short")
		if _, ok := errors.AsType[*dialer.InvalidError](err); !ok {
			t.Errorf("a short password: %v", err)
		}
		id, err := d.AcceptInvitation(t.Context(), token(first), "a lasting pass phrase")
		if err != nil || id != people[0] {
			t.Fatalf("got %s, %v", id, err)
		}
		_, err = d.signIn("a lasting pass phrase", "")
		d.must(err)
		_, err = d.AcceptInvitation(t.Context(), token(first), "another pass phrase")
		d.expect(err, dialer.ErrInvitation)

		// A later one makes the earlier void, and time does the same.
		_, err = d.Invite(t.Context(), people[0], true, "", root)
		d.must(err)
		d.deliver(p)
		second := token(p.letters[len(p.letters)-1])
		_, err = d.Invite(t.Context(), people[0], true, "", root)
		d.must(err)
		_, err = d.AcceptInvitation(t.Context(), second, "another pass phrase")
		d.expect(err, dialer.ErrInvitation)
		d.deliver(p)
		third := token(p.letters[len(p.letters)-1])
		d.wait(48 * time.Hour)
		_, err = d.AcceptInvitation(t.Context(), third, "another pass phrase")
		d.expect(err, dialer.ErrInvitation)
		if m, err := d.Invitations(t.Context(), people); err != nil || m[people[0]].State != dialer.InviteExpired {
			t.Errorf("got %+v, %v", m, err)
		}
	})
}

func TestInvitationUndeliverable(t *testing.T) {
	offices(t, directory.Options{Invite: dialer.InviteAll}, func(t *testing.T, d *office) {
		p := &post{fail: fmt.Errorf("mailbox unknown: %w", dialer.ErrUndeliverable)}
		people := d.hire(2)
		d.apply(dialer.Change{Verb: dialer.VerbDeactivate, UserID: people[1]})
		d.deliver(p)
		d.wait(24 * time.Hour)
		if n := d.deliver(p); n != 0 || len(p.letters) != 1 {
			t.Errorf("sent %d, then %d more", len(p.letters), n)
		}
		m, err := d.Invitations(t.Context(), people)
		if err != nil || m[people[0]].State != dialer.InviteFailed || m[people[1]].State != dialer.InviteFailed {
			t.Errorf("got %+v, %v", m, err)
		}
		list, err := d.Messages(t.Context(), dialer.MessageQuery{State: dialer.MessageFailed, UserID: people[0]})
		if err != nil || len(list) != 1 || !strings.Contains(list[0].LastErr, "mailbox unknown") {
			t.Fatalf("got %+v, %v", list, err)
		}
		p.refuse(nil)
		d.must(d.RetryMessage(t.Context(), list[0].ID, root))
		if n := d.deliver(p); n != 1 {
			t.Errorf("sent %d after a person asked", n)
		}
		d.expect(d.RetryMessage(t.Context(), list[0].ID, root), dialer.ErrMessageSent)
		d.expect(d.RetryMessage(t.Context(), 1<<40, root), dialer.ErrNoMessage)
		if m, _ = d.Invitations(t.Context(), people); m[people[0]].State != dialer.InviteSent {
			t.Errorf("after the retry: %+v", m[people[0]])
		}
	})
}
