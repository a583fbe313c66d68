package simorg

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// foreign is salesforce-pubsub-api-client in a node of its own, subscribed over TLS. It carries Salesforce's own .proto,
// grpc-js and avro-js: nothing that this package is made of.
type foreign struct {
	t     *testing.T
	lines *bufio.Scanner
	input io.Closer
	cmd   *exec.Cmd
}

// line is what the client was called back with.
type line struct {
	Kind string
	Data struct {
		ReplayID  json.Number
		SchemaID  string
		Payload   map[string]any
		ErrorCode string
		Code      int
	}
}

func (l line) header() map[string]any { return l.Data.Payload["ChangeEventHeader"].(map[string]any) }

// brief is the type, the records and the changed fields of an event.
func (l line) brief() string {
	h := l.header()
	b, _ := json.Marshal([]any{h["changeType"], h["recordIds"], h["changedFields"], h["nulledFields"]})
	return string(b)
}

func subscribeForeign(t *testing.T, f *fixture, p *PubSub, args ...string) *foreign {
	t.Helper()
	modules := os.Getenv("ROSTERD_TEST_PUBSUB")
	if modules == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("ROSTERD_TEST_PUBSUB is not set, and this is CI")
		}
		t.Skip("set ROSTERD_TEST_PUBSUB to a folder with salesforce-pubsub-api-client to run this: scripts/with-pubsub does")
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, p.CA(), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"testdata/subscriber.mjs", modules, ca, p.Endpoint(), f.token, testInstance, f.org.ID()}, args...)
	cmd := exec.CommandContext(t.Context(), "node", args...)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	x := &foreign{t, lines, in, cmd}
	t.Cleanup(func() {
		_ = in.Close() // it may have ended
		_ = cmd.Wait()
	})
	return x
}

// next is the next callback of a kind; only the bare status of a stream may come before it.
func (x *foreign) next(kind string) line {
	x.t.Helper()
	for x.lines.Scan() {
		var l line
		if err := json.Unmarshal(x.lines.Bytes(), &l); err != nil {
			x.t.Fatalf("%v in %s", err, x.lines.Bytes())
		}
		if l.Kind == kind {
			return l
		}
		if l.Kind != "grpcStatus" {
			x.t.Fatalf("got %s, want %s", x.lines.Bytes(), kind)
		}
	}
	x.t.Fatalf("the client ended before it told of %s", kind)
	return line{}
}

func TestForeignClient(t *testing.T) {
	f := serve(t, Options{Users: 50, Seed: 1, Plain: true, InstanceURL: testInstance})
	p, err := f.org.PubSub(PubSubOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	first, err := f.org.LastReplayID(UserTopic)
	if err != nil {
		t.Fatal(err)
	}
	x := subscribeForeign(t, f, p, UserTopic, strconv.FormatUint(binary.BigEndian.Uint64(first), 10))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	id, err := f.org.AddUser(User{Username: "new@acme.example", FirstName: "Nia", LastName: "Näßl", City: "Oslo", IsActive: true, MobileUser: true})
	must(err)
	must(f.org.Update(id, func(u *User) { u.FirstName, u.City, u.Phone, u.Quota = "Mia", "", "+47 555 0100", 12.5 }))
	must(f.org.AddCustomField(CustomField{Name: "Desk__c"}))
	must(f.org.SetFields([]string{id}, map[string]any{"Desk__c": "7", "IsActive": false}))
	must(f.org.PublishGap(id))
	f.org.PublishWildcard()

	created := x.next("event")
	if got, want := created.brief(), `["CREATE",["`+id+`"],[],[]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	body := created.Data.Payload
	if got, want := mustJSON(body["Name"]), `{"FirstName":"Nia","LastName":"Näßl","Salutation":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if body["Username"] != "new@acme.example" || body["IsActive"] != true || mustJSON(body["UserPermissions"]) != `["MobileUser"]` {
		t.Errorf("got %v", body)
	}
	updated := x.next("event")
	if got, want := updated.brief(), `["UPDATE",["`+id+`"],["Phone","LastModifiedDate","Quota__c","Name.FirstName","Address.City"],[]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if updated.Data.Payload["Phone"] != "+47 555 0100" || updated.Data.Payload["Quota__c"] != 12.5 {
		t.Errorf("got %v", updated.Data.Payload)
	}
	desk := x.next("event")
	if got, want := desk.brief(), `["UPDATE",["`+id+`"],["IsActive","LastModifiedDate","Desk__c"],[]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if desk.Data.SchemaID == updated.Data.SchemaID || desk.Data.Payload["Desk__c"] != "7" || desk.Data.Payload["IsActive"] != false {
		t.Errorf("got %+v", desk)
	}
	if got, want := x.next("event").brief(), `["GAP_UPDATE",["`+id+`"],[],[]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := x.next("event").brief(), `["UPDATE",["005*"],[],[]]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	f.org.Faults().BreakStreams(Effect{Kind: Unavailable})
	if l := x.next("error"); l.Data.Code != grpcUnavailable || l.Data.ErrorCode != errorPrefix+codeUnavailable {
		t.Errorf("got %+v", l)
	}
}

// The client asks for its events a few at a time, and is refused what is refused to ours.
func TestForeignClientAsksForMore(t *testing.T) {
	f := serve(t, Options{Users: 350, Seed: 1, Plain: true, InstanceURL: testInstance})
	p, err := f.org.PubSub(PubSubOptions{TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var want, got []string
	for i := range 250 { // more than a client may ask for at once
		want = append(want, f.org.gen.id(i+1))
		if err := f.org.Deactivate(want[i]); err != nil {
			t.Fatal(err)
		}
	}
	x := subscribeForeign(t, f, p, UserTopic, "earliest")
	for range want {
		got = append(got, x.next("event").header()["recordIds"].([]any)[0].(string))
	}
	if !slices.Equal(got, want) {
		t.Error("the events came in another order")
	}
	bad := subscribeForeign(t, f, p, UserTopic, "12345")
	if l := bad.next("error"); l.Data.Code != grpcInvalidArgument || l.Data.ErrorCode != errorPrefix+codeReplayCorrupted {
		t.Errorf("got %+v", l)
	}
}

func mustJSON(v any) string {
	b, _ := json.Marshal(v) // it came from JSON
	return string(b)
}
