package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/jwt"

	"github.com/rosterd/rosterd/crm/simorg"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sim is a running rostersim.
type sim struct {
	t      *testing.T
	ready  ready
	client *http.Client
	stop   func() error
}

func start(t *testing.T, args ...string) *sim {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, w)
		w.CloseWithError(err)
		ended <- err
	}()
	transport := &http.Transport{}
	s := &sim{t: t, client: &http.Client{Transport: transport}}
	s.stop = func() error {
		cancel()
		transport.CloseIdleConnections()
		return <-ended
	}
	line, err := bufio.NewReader(r).ReadBytes('\n')
	if err != nil {
		cancel()
		t.Fatalf("start: %v", err)
	}
	if err := json.Unmarshal(line, &s.ready); err != nil {
		t.Fatalf("ready line %s: %v", line, err)
	}
	return s
}

// ask calls a control endpoint and decodes the answer.
func (s *sim) ask(method, path, body string, into any) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.ready.Control+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	res, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && into != nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		s.t.Fatalf("%s %s: %v in %s", method, path, err, b)
	}
	return res.StatusCode
}

type stats struct {
	Users   int            `json:"users"`
	Active  int            `json:"active"`
	InScope int            `json:"in_scope"`
	Frozen  int            `json:"frozen"`
	Calls   map[string]int `json:"calls"`
	Used    int            `json:"usage_used"`
	Quota   int            `json:"usage_quota"`
	Churn   churnState     `json:"churn"`
}

func TestLogInWithTheWrittenKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	s := start(t, "-users", "20", "-write-key", file, "-client-id", "the-app", "-username", "bot@acme.example")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %v", info.Mode())
	}
	conf := jwt.Config{Email: "the-app", Subject: "bot@acme.example", PrivateKey: b, TokenURL: s.ready.URL + "/services/oauth2/token", Expires: 3 * time.Minute}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, s.client)
	tok, err := conf.TokenSource(ctx).Token()
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Extra("instance_url"); got != s.ready.URL {
		t.Errorf("instance_url: got %v", got)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ready.URL+"/services/data/v66.0/limits", nil)
	tok.SetAuthHeader(req)
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("limits: got %d", res.StatusCode)
	}
	// The org's own path rules hold behind the control endpoints too.
	req, _ = http.NewRequestWithContext(t.Context(), http.MethodGet, s.ready.URL+"/services/data/v66.0//limits", nil)
	if res, err = s.client.Do(req); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("doubled slash: got %d", res.StatusCode)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestControl(t *testing.T) {
	s := start(t, "-users", "50", "-plain", "-quota", "500")
	var added struct{ ID string }
	if code := s.ask("POST", "users", `{"Username":"new@acme.example","LastName":"Neu","Department":"IT"}`, &added); code != 200 || added.ID == "" {
		t.Fatalf("add: got %d %+v", code, added)
	}
	if code := s.ask("POST", "users/"+added.ID, `{"IsActive":false,"Title":"Gone"}`, nil); code != 200 {
		t.Errorf("edit: got %d", code)
	}
	var u map[string]any
	s.ask("GET", "users/"+added.ID, "", &u)
	if u["IsActive"] != false || u["Title"] != "Gone" || u["Department"] != "IT" || u["Phone"] != nil || u["IsFrozen"] != false {
		t.Errorf("got %v", u)
	}
	var all []map[string]any
	s.ask("GET", "users?limit=3&offset=50", "", &all)
	if len(all) != 2 || all[1]["Id"] != added.ID {
		t.Errorf("list: got %v", all)
	}
	first := all[0]["Id"].(string)
	s.ask("POST", "users/"+first+"/freeze", "", nil)
	s.ask("POST", "mass", `{"ids":["`+first+`","`+added.ID+`"],"fields":{"Division":"Both"}}`, nil)
	s.ask("POST", "usage", `{"used":7,"max":9}`, nil)
	var churned []map[string]string
	if s.ask("POST", "churn/step", `{"n":20}`, &churned); len(churned) != 20 {
		t.Errorf("churn step: got %d events", len(churned))
	}
	s.ask("POST", "churn", `{"rate":"0"}`, nil)
	s.ask("POST", "churn/pause", "", nil)
	var st stats
	s.ask("GET", "stats", "", &st)
	if st.Frozen < 1 || st.Users < 52 || st.Used != 7 || st.Quota != 9 || !st.Churn.Paused || len(st.Churn.Last) != 20 || st.Active < st.InScope {
		t.Errorf("stats: %+v", st)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "faults", `{"endpoint":"versions","times":1,"effect":{"kind":"unavailable"}}`},
		{"POST", "faults/hide-field", `{"field":"Phone"}`},
		{"POST", "faults/expire", ""},
		{"POST", "faults/move-instance", `{"url":"http://127.0.0.1:1"}`},
		{"POST", "faults/skew", `{"ahead":"-5m"}`},
	} {
		if code := s.ask(c.method, c.path, c.body, nil); code != 200 {
			t.Errorf("%s %s: got %d", c.method, c.path, code)
		}
	}
	get := func() int {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ready.URL+"/services/data/", nil)
		res, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if a, b := get(), get(); a != 503 || b != 200 {
		t.Errorf("the fault gave %d, then %d; want 503, then 200", a, b)
	}
	s.ask("DELETE", "faults", "", nil)
	s.ask("DELETE", "calls", "", nil)
	if s.ask("GET", "stats", "", &st); len(st.Calls) != 0 {
		t.Errorf("calls after the reset: %v", st.Calls)
	}
	for path, body := range map[string]string{
		"users": `{"Username":"new@acme.example","LastName":"Twice"}`, "users/" + first: `{"Nope":1}`,
		"faults": `{"effect":{"kind":"magic"}}`, "churn": `{"rate":"fast"}`, "mass": `{"idz":[]}`, "faults/skew": `{"ahead":"x"}`,
	} {
		var bad struct{ Error string }
		if code := s.ask("POST", path, body, &bad); code != http.StatusBadRequest || bad.Error == "" {
			t.Errorf("%s %s: got %d %+v", path, body, code, bad)
		}
	}
	if code := s.ask("POST", "users/005000000000000/freeze", "", nil); code != http.StatusNotFound {
		t.Errorf("freeze of nobody: got %d", code)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestChurnTricklesIn(t *testing.T) {
	s := start(t, "-users", "50", "-churn", "500/s")
	var st stats
	for len(st.Churn.Last) < 10 {
		s.ask("GET", "stats", "", &st)
	}
	if st.Churn.Rate != "500/s" || st.Churn.Paused {
		t.Errorf("got %+v", st.Churn)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestStopEndsHangingCalls(t *testing.T) {
	s := start(t, "-users", "5")
	s.ask("POST", "faults", `{"endpoint":"versions","effect":{"kind":"hang"}}`, nil)
	hung := make(chan error, 1)
	go func() {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.ready.URL+"/services/data/", nil)
		res, err := s.client.Do(req)
		if err == nil {
			res.Body.Close()
		}
		hung <- err
	}()
	var st stats
	for st.Calls["versions"] == 0 {
		s.ask("GET", "stats", "", &st)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if err := <-hung; err == nil {
		t.Error("the hanging call was answered")
	}
}

func TestBadFlags(t *testing.T) {
	dir := t.TempDir()
	notPEM := filepath.Join(dir, "x.pem")
	if err := os.WriteFile(notPEM, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-listen", "0.0.0.0:0"}, "not a loopback address"},
		{[]string{"-listen", ":0"}, "not a loopback address"},
		{[]string{"-listen", "192.0.2.1:80"}, "not a loopback address"},
		{[]string{"-listen", "example.com:80"}, "not a loopback address"},
		{[]string{"-listen", "127.0.0.1"}, "write it as 127.0.0.1:8480"},
		{[]string{"-listen", "127.0.0.1:99999"}, "listen:"},
		{[]string{"-churn", "often"}, "write it as 2/s"},
		{[]string{"-churn", "-1/s"}, "write it as 2/s"},
		{[]string{"-churn", "1/w"}, "write it as 2/s"},
		{[]string{"-users", "-1"}, "must lie between"},
		{[]string{"-users", "many"}, "invalid value"},
		{[]string{"extra"}, "takes only flags"},
		{[]string{"-key", notPEM, "-write-key", "y"}, "exclude each other"},
		{[]string{"-key", notPEM}, "no PEM block"},
		{[]string{"-key", filepath.Join(dir, "none")}, "read the key"},
		{[]string{"-write-key", filepath.Join(dir, "none", "key.pem")}, "write the private key"},
		{[]string{"-nope"}, "not defined"},
	} {
		err := run(t.Context(), tt.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.args, err, tt.want)
		}
	}
	var help bytes.Buffer
	if err := run(t.Context(), []string{"-h"}, &help); err != nil || !strings.Contains(help.String(), "-churn") {
		t.Errorf("help: %v\n%s", err, help.String())
	}
}

func TestKeysOfEveryForm(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	want, err := writeNewKey(file)
	if err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(want)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"private": private, "public": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	} {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := readKey(file); err != nil || !got.Equal(want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRateFlag(t *testing.T) {
	for in, want := range map[string]float64{"2/s": 2, "30/m": 0.5, "36/h": 0.01, "3": 3, "0": 0} {
		var r rate
		if err := r.Set(in); err != nil || r.perSecond != want {
			t.Errorf("%s: got %v %v, want %v", in, r.perSecond, err, want)
		}
	}
}

// Whoever has paused the churn may rely on it: an event that was due at that
// moment does not come after.
func TestNothingHappensOncePaused(t *testing.T) {
	org := simorg.New(simorg.Options{Users: 20, Seed: 1})
	c := newChurner(org, rate{1}, rand.New(rand.NewPCG(1, 1)))
	paused := true
	for _, want := range []int{1, 1} {
		if err := c.tick(); err != nil {
			t.Fatal(err)
		}
		if got := len(c.state().Last); got != want {
			t.Errorf("%d events, want %d", got, want)
		}
		c.set(nil, &paused)
	}
}
