package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// ask asks rostersim to do something, or what it knows. In and out may be nil.
func (s *sim) ask(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+"/sim/"+path, body)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask rostersim: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return fmt.Errorf("ask rostersim for %s: %w", path, err)
	}
	return nil
}

// title gives a person another title.
func (s *sim) title(ctx context.Context, id, title string) error {
	return s.ask(ctx, http.MethodPost, "users/"+id, map[string]string{"Title": title}, nil)
}

// spent is what was used of the org's allocations.
type spent struct {
	calls  int // API calls: logins and the list of versions are free
	events int // change events delivered, to all who follow them
}

func (s *sim) spent(ctx context.Context) (spent, error) {
	var stats struct {
		Calls     map[string]int `json:"calls"`
		Delivered int            `json:"delivered"`
	}
	if err := s.ask(ctx, http.MethodGet, "stats", nil, &stats); err != nil {
		return spent{}, err
	}
	out := spent{events: stats.Delivered}
	for endpoint, n := range stats.Calls {
		if !slices.Contains([]string{"token", "versions"}, endpoint) {
			out.calls += n
		}
	}
	return out, nil
}

func (s spent) since(before spent) spent {
	return spent{s.calls - before.calls, s.events - before.events}
}
