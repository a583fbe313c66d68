package config

import (
	"errors"
	"strings"
	"testing"

	rostersync "github.com/rosterd/rosterd/sync"
)

func TestStream(t *testing.T) {
	dir := credentials(t)
	const login, endpoint = "login_url: https://login.salesforce.com", "pubsub_endpoint: api.pubsub.salesforce.com:7443"
	for _, tc := range []struct {
		name    string
		replace []string
		changes rostersync.Changes
		pubsub  string
		off     bool
	}{
		{"default", nil, "auto", "api.pubsub.salesforce.com:7443", false},
		{"stream", []string{"changes: auto", "changes: stream"}, "stream", "api.pubsub.salesforce.com:7443", false},
		{"poll", []string{"changes: auto", "changes: poll"}, "poll", "api.pubsub.salesforce.com:7443", false},
		{"simulated org without events", []string{login, "login_url: http://127.0.0.1:8080"}, "auto", "", true},
		{
			"simulated org",
			[]string{login, "login_url: http://127.0.0.1:8080", endpoint, "pubsub_endpoint: http://127.0.0.1:7443"},
			"auto", "http://127.0.0.1:7443", false,
		},
	} {
		text := strings.NewReplacer(tc.replace...).Replace(whole)
		c, err := load("config.yaml", []byte(text), environment(dir), now)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		o := c.Orgs[0]
		if o.Sync.Changes != tc.changes || o.PubSub != tc.pubsub || (o.Sync.NoStream != "") != tc.off {
			t.Errorf("%s: got %q at %q, %q", tc.name, o.Sync.Changes, o.PubSub, o.Sync.NoStream)
		}
	}
}

// The token of a simulated org is not shown to Salesforce.
func TestStreamOfAnotherOrg(t *testing.T) {
	text := strings.NewReplacer("login_url: https://login.salesforce.com", "login_url: http://127.0.0.1:8080", "changes: auto", "changes: stream").Replace(whole)
	_, err := load("config.yaml", []byte(text), environment(credentials(t)), now)
	if ps, ok := errors.AsType[Problems](err); !ok || !strings.Contains(ps[0].Error(), "pubsub_endpoint") {
		t.Errorf("got %v", err)
	}
}
