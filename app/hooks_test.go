package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rosterd/rosterd/control"
)

// inbox is another system.
type inbox struct {
	mu   sync.Mutex // guards got
	got  map[string][]map[string]any
	keys map[string][]string
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var v map[string]any
	if err != nil || json.Unmarshal(body, &v) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got[r.URL.Path] = append(i.got[r.URL.Path], v)
	i.keys[r.URL.Path] = append(i.keys[r.URL.Path], r.Header.Get("Idempotency-Key")+" "+r.Header.Get("Rosterd-Signature")[:2])
}

func (i *inbox) of(path string) ([]map[string]any, []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.got[path]), slices.Clone(i.keys[path])
}

// The way of an invitation, from whom a person adds to a first sign-in; and of
// the leads of whoever is deleted.
func TestOtherSystemsHear(t *testing.T) {
	onBoth(t, func(t *testing.T, database string) {
		in := &inbox{got: map[string][]map[string]any{}, keys: map[string][]string{}}
		other := httptest.NewServer(in)
		t.Cleanup(other.Close)
		w := newWorld(t, database, nil)
		w.write("secret", "a secret that both know")
		w.extra = fmt.Sprintf(`    secret_key_file: %[2]s/secret
    leads: {url: "%[1]s/leads", secret_file: "%[2]s/secret"}
    invitations: {link: "http://127.0.0.1/welcome", webhook: {url: "%[1]s/letters", secret_file: "%[2]s/secret"}}
`, other.URL, w.dir)
		w.boot(Options{})
		c := w.client()
		w.awaitEnrolled(c)
		var u control.User
		for one, err := range c.Users(t.Context(), control.UserFilter{Limit: 1}) {
			if err != nil {
				t.Fatal(err)
			}
			u = one
		}
		if letters, _ := in.of("/letters"); len(letters) != 0 {
			t.Fatalf("%d were invited whom nobody asked to", len(letters))
		}
		if _, err := c.Invite(t.Context(), u.ID, false, ""); err != nil {
			t.Fatal(err)
		}
		var letters []map[string]any
		await(t, "the invitation", func() (string, bool) {
			var keys []string
			letters, keys = in.of("/letters")
			return fmt.Sprint(keys), len(keys) == 1 && strings.HasSuffix(keys[0], " t=")
		})
		link, err := url.Parse(fmt.Sprint(letters[0]["link"]))
		if err != nil || link.Fragment == "" || !strings.HasPrefix(link.String(), "http://127.0.0.1/welcome#") {
			t.Fatalf("the link is of the form %T, %v", letters[0]["link"], err)
		}
		const password = "a phrase to remember"
		if err := c.AcceptInvitation(t.Context(), control.Secret(link.Fragment), password); err != nil {
			t.Fatal(err)
		}
		if err := c.AcceptInvitation(t.Context(), control.Secret(link.Fragment), password); err == nil {
			t.Error("an invitation is good twice")
		}
		s, err := c.SignIn(t.Context(), control.SignInRequest{Username: u.Username, Password: password, Client: "web", IP: "192.0.2.7"})
		if err != nil || s.User.ID != u.ID {
			t.Errorf("signed in is %+v, %v", s.Session, err)
		}

		if _, err := c.DeleteUser(t.Context(), u.ID, "", 0); err != nil {
			t.Fatal(err)
		}
		await(t, "the leads", func() (string, bool) {
			_, keys := in.of("/leads")
			return fmt.Sprint(keys), len(keys) == 1 && keys[0] != " t="
		})
	})
}
