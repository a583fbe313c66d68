package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/sync"
)

// How long a question for the status waits for a database that does not
// answer, and for one that is slow. A transaction is retried for longer, which
// whoever asks for the status because something is wrong cannot wait for.
const (
	pingTime   = 2 * time.Second
	statusTime = 10 * time.Second
)

// DaemonStatus is how the daemon and its orgs stand.
type DaemonStatus struct {
	Version string        `json:"version"`
	Orgs    []sync.Status `json:"orgs" nullable:"false"`
}

// Me is who the caller is, and what they may do.
type Me struct {
	Caller
	Orgs []string `json:"orgs" nullable:"false"`
	User *User    `json:"user,omitempty" doc:"the dialer user whose user name is the caller's name"`
}

// Paused says who stopped or resumed an org's sync.
type Paused struct {
	Org    string `json:"org"`
	Paused bool   `json:"paused"`
}

// Checks are the findings of doctor.
type Checks struct {
	OK     bool               `json:"ok" doc:"whether every check is"`
	Checks []sync.CheckResult `json:"checks" nullable:"false"`
}

// Why is a request that may say why.
type Why struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"why, for the journal"`
}

func (w *Why) reason() string {
	if w == nil {
		return ""
	}
	return w.Reason
}

type answer[T any] struct{ Body T }

func (s *Server) routeStatus() {
	handle(s, Viewer, huma.Operation{
		OperationID: "status", Method: http.MethodGet, Path: "/v1/status", Tags: []string{"daemon"},
		Summary: "How the daemon and its orgs stand", Description: "Without an org, all of them.",
	}, s.status)
	handle(s, Viewer, huma.Operation{
		OperationID: "me", Method: http.MethodGet, Path: "/v1/me", Tags: []string{"daemon"}, Summary: "Who you are to the daemon",
	}, s.me)
	handle(s, Viewer, huma.Operation{
		OperationID: "quota", Method: http.MethodGet, Path: "/v1/quota", Tags: []string{"daemon"}, Summary: "How the org's API quota stands",
	}, func(ctx context.Context, c call, _ *struct{ InOrg }) (*answer[sync.QuotaStatus], error) {
		q, err := c.Engine.Quota(ctx)
		return &answer[sync.QuotaStatus]{q}, err
	})
	handle(s, Admin, huma.Operation{
		OperationID: "pause", Method: http.MethodPost, Path: "/v1/pause", Tags: []string{"daemon"},
		Summary: "Stop the org's sync until it is resumed", Description: "Nobody joins, changes or leaves meanwhile: deactivations that fall due are made up for when it is resumed.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body *Why
	},
	) (*answer[Paused], error) {
		err := c.Engine.Pause(ctx, c.Actor(), in.Body.reason())
		return &answer[Paused]{Paused{c.name, true}}, err
	})
	handle(s, Admin, huma.Operation{
		OperationID: "resume", Method: http.MethodPost, Path: "/v1/resume", Tags: []string{"daemon"}, Summary: "Let the org's sync go on",
	}, func(ctx context.Context, c call, _ *struct{ InOrg }) (*answer[Paused], error) {
		err := c.Engine.Resume(ctx, c.Actor())
		return &answer[Paused]{Paused{c.name, false}}, err
	})
	handle(s, Support, huma.Operation{
		OperationID: "doctor", Method: http.MethodGet, Path: "/v1/doctor", Tags: []string{"daemon"},
		Summary: "Check that everything the sync needs is there", Description: "Makes a few calls to Salesforce.",
	}, func(ctx context.Context, c call, _ *struct{ InOrg }) (*answer[Checks], error) {
		found, err := c.Engine.Doctor(ctx)
		checks := Checks{OK: true, Checks: append([]sync.CheckResult{}, found...)}
		for _, f := range found {
			checks.OK = checks.OK && f.OK
		}
		return &answer[Checks]{checks}, err
	})
}

// me says who the caller is, as a user too if they are one of the org named or
// of the only one.
func (s *Server) me(ctx context.Context, c call, in *struct {
	OrgName string `query:"org" doc:"name of the org in which to look for the caller's user"`
},
) (*answer[Me], error) {
	me := Me{Caller: c.Caller, Orgs: s.orgs}
	if in.OrgName == "" && len(s.orgs) > 1 {
		return &answer[Me]{me}, nil
	}
	name, err := s.pick(in.OrgName)
	if err != nil {
		return nil, err
	}
	c.name, c.Org = name, s.o.Orgs[name]
	u, err := c.Directory.User(ctx, c.Name)
	switch {
	case errors.Is(err, dialer.ErrNotFound) || errors.Is(err, dialer.ErrAmbiguous):
		return &answer[Me]{me}, nil
	case err != nil:
		return nil, err
	case u.Status != dialer.StatusDeleted && dialer.Key(u.Username) == dialer.Key(c.Name):
		v, err := c.whole(ctx, &u)
		me.User = &v
		return &answer[Me]{me}, err
	}
	return &answer[Me]{me}, nil
}

func (s *Server) status(ctx context.Context, _ call, in *struct {
	OrgName string `query:"org" doc:"only this org"`
},
) (*answer[DaemonStatus], error) {
	names := s.orgs
	if in.OrgName != "" {
		name, err := s.pick(in.OrgName)
		if err != nil {
			return nil, err
		}
		names = []string{name}
	}
	if err := s.ping(ctx); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	out := DaemonStatus{Version: s.o.Version, Orgs: []sync.Status{}}
	for _, name := range names {
		one, err := s.o.Orgs[name].Engine.Status(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, unavailable()
		}
		if err != nil {
			return nil, fmt.Errorf("ask org %s: %w", name, err)
		}
		out.Orgs = append(out.Orgs, one)
	}
	return &answer[DaemonStatus]{out}, nil
}

// ping makes sure that the database answers.
func (s *Server) ping(ctx context.Context) error {
	if s.o.Ping == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	if s.o.Ping(ctx) != nil {
		return unavailable() // why is in the log, and may name what is no caller's business
	}
	return nil
}
