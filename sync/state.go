package sync

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rosterd/rosterd/crm"
)

// What an engine remembers between starts, by name in the journal's state.
const (
	stateWatermark = "watermark"       // crm.Watermark
	stateLastFull  = "last_full"       // when the last complete full sync began
	stateLastPoll  = "last_change"     // when changes were last read to the end
	stateFullDue   = "full_due"        // the scheduled time that was last served
	statePolicy    = "policy"          // mark of the policy in force
	stateLooked    = "policy_looked"   // mark of the policy by which everyone was looked at last, held or not
	stateFrozen    = "frozen"          // what frozen meant when who is was last read to the end
	stateListed    = "listed"          // how many users the last good snapshot had
	statePrefilter = "prefilter"       // under which prefilter it was taken
	statePaused    = "paused"          // who paused, when and why, in JSON
	stateCustom    = "custom_fields"   // custom Salesforce fields that everyone was read with, in JSON
	stateHidden    = "hidden_fields"   // Salesforce fields that vanished, in JSON
	stateShown     = "shown_fields"    // those that came back since everyone was read, in JSON
	stateOrgID     = "org_id"          // pinned Salesforce org
	stateSandbox   = "sandbox"         // whether it is one
	stateAgain     = "again"           // the kind of run to try again: a stop cut it short, or it failed whoever asked for it
	stateSnapshot  = "snapshot_cursor" // how far a full sync got, in JSON
	stateQuota     = "quota"           // what the governor knows beside the count of our calls, in JSON
)

// state is the remembered values, kept in memory beside the database.
type state map[string]string

func (s state) time(name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s[name])
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func (s state) watermark() crm.Watermark {
	var w crm.Watermark
	if json.Unmarshal([]byte(s[stateWatermark]), &w) != nil {
		return crm.Watermark{}
	}
	return w
}

func (s state) list(name string) []string {
	var l []string
	if json.Unmarshal([]byte(s[name]), &l) != nil {
		return nil
	}
	return l
}

// unread names, as rules do, the fields that a configuration uses and that not
// everyone was read with yet, because they are new to it or were hidden: nothing
// may be concluded from them.
func (s state) unread(c *Config) []string {
	var names []string
	have := s.list(stateCustom)
	for _, f := range c.Policy.Custom() {
		if !slices.Contains(have, f) {
			names = append(names, "Custom."+f)
		}
	}
	for _, f := range s.list(stateShown) {
		if c.Policy.names(f) && !slices.Contains(names, f) {
			names = append(names, f)
		}
	}
	return names
}

// encodeList is a list as it is remembered: nothing when it is empty.
func encodeList(l []string) string {
	if len(l) == 0 {
		return ""
	}
	return encode(l)
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// pauseNote is what is remembered of a pause.
type pauseNote struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// get returns a remembered value.
func (e *Engine) get(name string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state[name]
}

// remembered returns a copy of all that is remembered.
func (e *Engine) remembered() state {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := make(state, len(e.state))
	maps.Copy(c, e.state)
	return c
}

// remember stores values given as name, value, name, value; those that are
// known already cost nothing.
func (e *Engine) remember(ctx context.Context, pairs ...string) error {
	changed := map[string]string{}
	e.mu.Lock()
	for i := 0; i+1 < len(pairs); i += 2 {
		if e.state[pairs[i]] != pairs[i+1] {
			changed[pairs[i]] = pairs[i+1]
		}
	}
	e.mu.Unlock()
	if len(changed) == 0 {
		return nil
	}
	if err := e.journal.SetState(ctx, changed); err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.Copy(e.state, changed)
	return nil
}
