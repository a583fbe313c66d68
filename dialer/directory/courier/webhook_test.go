package courier_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/dialer/directory/courier"
)

func TestWebhook(t *testing.T) {
	secret := []byte("known to both")
	var got *http.Request
	var body []byte
	answer := http.StatusNoContent
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answer)
	}))
	defer server.Close()
	hook, err := courier.NewWebhook(server.URL+"/leads?token=hidden", secret, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	m := dialer.Message{Kind: dialer.MessageUnassignLeads, Key: "leads_unassign/7", Payload: []byte(`{"event":"leads.unassign"}`)}
	if err := hook.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPost || got.Header.Get(courier.HeaderKey) != m.Key || got.Header.Get(courier.HeaderEvent) != "leads_unassign" ||
		got.Header.Get("Content-Type") != "application/json" || string(body) != string(m.Payload) {
		t.Errorf("got %s %v %s", got.Method, got.Header, body)
	}
	stamp, _, _ := strings.Cut(strings.TrimPrefix(got.Header.Get(courier.HeaderSignature), "t="), ",")
	at, err := time.Parse("20060102", "19700101")
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := time.ParseDuration(stamp + "s")
	if err != nil {
		t.Fatal(err)
	}
	if want := courier.Sign(secret, at.Add(seconds), body); got.Header.Get(courier.HeaderSignature) != want {
		t.Errorf("signature %s, want %s", got.Header.Get(courier.HeaderSignature), want)
	}
	for code, undeliverable := range map[int]bool{
		302: false, 400: true, 404: true, 410: true, 408: false, 429: false, 500: false, 503: false,
	} {
		answer = code
		err := hook.Send(t.Context(), m)
		if err == nil || errors.Is(err, dialer.ErrUndeliverable) != undeliverable {
			t.Errorf("%d: got %v", code, err)
		}
		if got.URL.Path != "/leads" {
			t.Errorf("%d: followed to %s", code, got.URL.Path)
		}
	}
	answer = http.StatusOK
	l := dialer.Letter{Key: "invitation/7/1", To: "testa@example.com", Name: "Testa", Link: "https://dialer.example.com/#token"}
	if err := hook.SendLetter(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	var letter struct {
		Event, To, Link string
	}
	if err := json.Unmarshal(body, &letter); err != nil || letter.Event != "invitation" || letter.To != l.To || letter.Link != string(l.Link) ||
		got.Header.Get(courier.HeaderKey) != l.Key {
		t.Errorf("got %s, %v", body, err)
	}
	l = dialer.Letter{Kind: dialer.MessageAuthorization, Key: "authorization/7/2", To: l.To, Text: "Please connect."}
	if err := hook.SendLetter(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if text := string(body); got.Header.Get(courier.HeaderEvent) != "authorization" || !strings.Contains(text, `"event":"authorization"`) ||
		!strings.Contains(text, `"text":"Please connect."`) || strings.Contains(text, "expires") {
		t.Errorf("got %s %s", got.Header.Get(courier.HeaderEvent), body)
	}
	server.Close()
	if err := hook.Send(t.Context(), m); err == nil || errors.Is(err, dialer.ErrUndeliverable) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("without a server: %v", err)
	}
	for _, address := range []string{"", "ftp://example.com", "https://", "%"} {
		if _, err := courier.NewWebhook(address, nil, http.DefaultClient); err == nil {
			t.Errorf("%q is taken for an address", address)
		}
	}
}
