package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChangeEventsOverTLS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	s := start(t, "-users", "20", "-pubsub-ca", file)
	ca, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) || s.ready.CAFile != file {
		t.Fatalf("no certificate in %q, or another file than %q", ca, s.ready.CAFile)
	}
	conn, err := tls.Dial("tcp", s.ready.PubSubEndpoint, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("got protocol %q", got)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestChangeEventsEndpoint(t *testing.T) {
	s := start(t, "-users", "20", "-deliveries", "7")
	if !strings.HasPrefix(s.ready.PubSubEndpoint, "http://127.0.0.1:") {
		t.Errorf("got %q", s.ready.PubSubEndpoint)
	}
	var before, after eventState
	s.ask(http.MethodGet, "stats", "", &before)
	if before.DeliveryMost != 7 || before.SchemaID == "" {
		t.Errorf("got %+v", before)
	}
	for _, row := range []struct {
		path, body string
		want       int
	}{
		{"events", `{"kind":"wildcard"}`, 200},
		{"events", `{"kind":"overflow"}`, 200},
		{"events", `{"kind":"gap","ids":["0055f00000G0002AAB"]}`, 200},
		{"events", `{"kind":"gap"}`, 400},
		{"events", `{"kind":"other"}`, 400},
		{"fields", `{"name":"Desk__c","type":"string"}`, 200},
		{"fields", `{"name":"Desk__c","type":"string"}`, 400},
		{"fields", `{"name":"Desk"}`, 400},
		{"deliveries", `{"used":3,"max":5}`, 200},
		{"streams/break", `{"kind":"unavailable"}`, 200},
		{"streams/break", `{"kind":"nonsense"}`, 400},
		{"streams/keepalive", `{"every":"60s"}`, 200},
		{"streams/keepalive", `{"every":"none"}`, 200},
		{"streams/keepalive", `{"every":"0s"}`, 400},
		{"streams/permission", `{"view_all_users":false}`, 200},
		{"streams/reset-replay", `{}`, 200},
		{"faults", `{"endpoint":"event","effect":{"kind":"lose_event"}}`, 200},
	} {
		if got := s.ask(http.MethodPost, row.path, row.body, nil); got != row.want {
			t.Errorf("%s %s: got %d, want %d", row.path, row.body, got, row.want)
		}
	}
	s.ask(http.MethodGet, "stats", "", &after)
	if after.SchemaID == before.SchemaID || after.Delivered != 3 || after.DeliveryMost != 5 {
		t.Errorf("got %+v", after)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestChangeEventsOff(t *testing.T) {
	s := start(t, "-users", "1", "-pubsub", "off")
	if s.ready.PubSubEndpoint != "" {
		t.Errorf("got %q", s.ready.PubSubEndpoint)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	for _, args := range [][]string{{"-pubsub", "0.0.0.0:0"}, {"-keepalive", "0s"}} {
		if _, err := parse(args, os.Stderr); err == nil {
			t.Errorf("%v: accepted", args)
		}
	}
}
