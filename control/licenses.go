package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// LicensePage is the license types of an org.
type LicensePage struct {
	Licenses []dialer.License `json:"licenses" nullable:"false"`
	Over     []string         `json:"over_allocated" nullable:"false" doc:"types of which more seats are assigned than were purchased: nobody loses one by itself"`
}

// Purchase is a time at which the seats of a license type were set.
type Purchase struct {
	At     time.Time    `json:"at"`
	Actor  dialer.Actor `json:"actor"`
	Before int64        `json:"before"`
	After  int64        `json:"after"`
}

// PurchasePage is when the seats of a license type were set, the latest first.
type PurchasePage struct {
	Type      string     `json:"type"`
	Purchases []Purchase `json:"purchases" nullable:"false"`
}

func (s *Server) routeLicenses() {
	handle(s, Viewer, huma.Operation{
		OperationID: "licenses", Method: http.MethodGet, Path: "/v1/licenses", Tags: []string{"licenses"}, Summary: "License types and their seats",
	}, func(ctx context.Context, c call, _ *struct{ InOrg }) (*answer[LicensePage], error) {
		list, err := c.Directory.Licenses(ctx)
		page := LicensePage{append([]dialer.License{}, list...), []string{}}
		for _, l := range list {
			if l.Left < 0 {
				page.Over = append(page.Over, l.Type)
			}
		}
		return &answer[LicensePage]{page}, err
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "license-history", Method: http.MethodGet, Path: "/v1/licenses/{type}/history", Tags: []string{"licenses"},
		Summary: "When the seats of a type were set, and by whom", Description: "What the configuration set is not among them.",
	}, licenseHistory)
	handle(s, Admin, huma.Operation{
		OperationID: "set-license", Method: http.MethodPatch, Path: "/v1/licenses/{type}", Tags: []string{"licenses"},
		Summary: "Say how many seats of a type are purchased", Description: "Nobody loses a seat when there are fewer than are assigned; nobody gets one either.",
	}, setLicense)
}

func licenseHistory(ctx context.Context, c call, in *struct {
	InOrg
	Type string `path:"type" maxLength:"100"`
},
) (*answer[PurchasePage], error) {
	if _, err := c.license(ctx, in.Type); err != nil {
		return nil, err
	}
	log, err := c.Directory.Activity(ctx, dialer.ActivityQuery{Verb: dialer.VerbPurchase, Newest: true, Limit: 1000})
	if err != nil {
		return nil, err
	}
	page := PurchasePage{Type: in.Type, Purchases: []Purchase{}}
	for _, a := range log {
		if a.Note != in.Type {
			continue
		}
		var was, is struct{ Purchased int64 }
		if err := errors.Join(json.Unmarshal(a.Before, &was), json.Unmarshal(a.After, &is)); err != nil {
			return nil, fmt.Errorf("read entry %d: %w", a.Seq, err)
		}
		page.Purchases = append(page.Purchases, Purchase{a.At, a.Actor, was.Purchased, is.Purchased})
	}
	return &answer[PurchasePage]{page}, nil
}

func setLicense(ctx context.Context, c call, in *struct {
	InOrg
	Type string `path:"type" maxLength:"100"`
	Body struct {
		Purchased int64 `json:"purchased" minimum:"0" maximum:"10000000"`
	}
},
) (*answer[dialer.License], error) {
	if _, err := c.license(ctx, in.Type); err != nil {
		return nil, err
	}
	if err := c.Directory.SetPurchased(ctx, in.Type, in.Body.Purchased, c.Actor()); err != nil {
		return nil, err
	}
	l, err := c.license(ctx, in.Type)
	return &answer[dialer.License]{l}, err
}

func (c call) license(ctx context.Context, name string) (dialer.License, error) {
	list, err := c.Directory.Licenses(ctx)
	if err != nil {
		return dialer.License{}, err
	}
	for _, l := range list {
		if l.Type == name {
			return l, nil
		}
	}
	return dialer.License{}, newProblem(http.StatusNotFound, CodeNotFound, fmt.Sprintf("there is no license type %q", name),
		"list the licenses to see the types; a new one is added in the configuration")
}
