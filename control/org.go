package control

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// OrgView is what an org is entitled to, and its defaults.
type OrgView struct {
	Org        string               `json:"org"`
	Settings   map[dialer.Field]any `json:"settings"`
	Attributes []dialer.Attribute   `json:"attributes" nullable:"false" doc:"describes the settings; those of the owner system are entitlements, which support grants"`
}

// Region is the dial region that serves a country.
type Region struct {
	Country    string `json:"country"`
	Configured string `json:"configured" doc:"the region of the country"`
	Effective  string `json:"effective" doc:"the region in force: the home region until international dialing is granted"`
	Entitled   bool   `json:"international" doc:"whether the org may dial to and from other countries"`
}

// Inbound says whether a call would reach a user.
type Inbound struct {
	UserID  string `json:"user_id"`
	Allowed bool   `json:"allowed"`
	Why     string `json:"why,omitempty"`
}

// NumberPage is telephone numbers of an org.
type NumberPage struct {
	Numbers []dialer.Number `json:"numbers" nullable:"false"`
	Next    string          `json:"next,omitempty" doc:"pass as after for the next page; absent on the last one"`
}

// ExtensionPage is extensions that nobody has.
type ExtensionPage struct {
	Extensions []string `json:"extensions" nullable:"false"`
}

func (s *Server) routeOrg() {
	tags := []string{"org"}
	handle(s, Viewer, huma.Operation{
		OperationID: "org", Method: http.MethodGet, Path: "/v1/org", Tags: tags, Summary: "What the org is entitled to, and its defaults",
	}, func(ctx context.Context, c call, _ *struct{ InOrg }) (*answer[OrgView], error) {
		set, err := c.Directory.OrgSettings(ctx)
		return &answer[OrgView]{c.orgView(&set)}, err
	})
	handle(s, Support, huma.Operation{
		OperationID: "edit-org", Method: http.MethodPatch, Path: "/v1/org", Tags: tags,
		Summary: "Change what the org is entitled to, or its defaults", Description: "Entitlements are for support and administrators, the rest for administrators.",
	}, editOrg)
	handle(s, Viewer, huma.Operation{
		OperationID: "region", Method: http.MethodGet, Path: "/v1/org/region", Tags: tags, Summary: "Which dial region serves a country",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Country string `query:"country" required:"true" pattern:"^[A-Z]{2}$" doc:"ISO 3166-1 alpha-2"`
	},
	) (*answer[Region], error) {
		set, err := c.Directory.OrgSettings(ctx)
		r := Region{Country: in.Country, Configured: set.Region(in.Country), Effective: set.Region(""), Entitled: set.International()}
		if r.Entitled {
			r.Effective = r.Configured
		}
		return &answer[Region]{r}, err
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "free-extensions", Method: http.MethodGet, Path: "/v1/org/extensions", Tags: tags, Summary: "The next extensions that nobody has",
		Description: "Of the org's range, as new users get them. Those of people who were deleted rest for a while.",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Count int `query:"count" minimum:"1" maximum:"2000" default:"10"`
	},
	) (*answer[ExtensionPage], error) {
		list, err := c.Directory.FreeExtensions(ctx, in.Count)
		return &answer[ExtensionPage]{ExtensionPage{append([]string{}, list...)}}, err
	})
	handle(s, Viewer, huma.Operation{
		OperationID: "inbound", Method: http.MethodGet, Path: "/v1/users/{id}/inbound", Tags: []string{"users"}, Summary: "Whether a call from a number would reach a user",
	}, func(ctx context.Context, c call, in *struct {
		OfUser
		Number string `query:"number" required:"true" maxLength:"60" doc:"who calls, for example +18015550100"`
	},
	) (*answer[Inbound], error) {
		u, err := c.alive(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		ok, why, err := c.Directory.MayReceive(ctx, u.ID, in.Number)
		return &answer[Inbound]{Inbound{u.ID, ok, why}}, err
	})
	s.routeNumbers()
}

func (c call) orgView(set *dialer.OrgSettings) OrgView {
	return OrgView{Org: c.name, Settings: set.All(), Attributes: dialer.OrgAttributes()}
}

func editOrg(ctx context.Context, c call, in *struct {
	InOrg
	Body struct {
		Settings map[string]any `json:"settings" doc:"by name; null brings one back to its default"`
	}
},
) (*answer[OrgView], error) {
	table := dialer.OrgAttributes()
	for name := range in.Body.Settings {
		i := slices.IndexFunc(table, func(a dialer.Attribute) bool { return string(a.Name) == name })
		switch granted := i >= 0 && table[i].Owner == dialer.OwnerSystem; {
		case granted && c.Role == Manager:
			return nil, newProblem(http.StatusForbidden, CodeForbidden, name+" is granted by support", "ask support")
		case !granted && !c.Role.May(Admin):
			return nil, forbidden(c.Caller, Admin)
		}
	}
	set, err := c.Directory.SetOrgSettings(ctx, fieldsOf(in.Body.Settings), c.Actor())
	if err != nil {
		return nil, ofGroup(err)
	}
	return &answer[OrgView]{c.orgView(&set)}, nil
}

func (s *Server) routeNumbers() {
	tags := []string{"org"}
	handle(s, Viewer, huma.Operation{
		OperationID: "numbers", Method: http.MethodGet, Path: "/v1/numbers", Tags: tags, Summary: "The telephone numbers of the org",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Available bool   `query:"available" doc:"only those that can be somebody's personal number"`
		After     string `query:"after" maxLength:"60" doc:"next of the page before"`
		Limit     int    `query:"limit" minimum:"1" maximum:"1000" default:"200"`
	},
	) (*answer[NumberPage], error) {
		list, err := c.Directory.Numbers(ctx, in.Available, in.After, in.Limit)
		page := NumberPage{Numbers: append([]dialer.Number{}, list...)}
		if len(list) == in.Limit {
			page.Next = list[len(list)-1].Number
		}
		return &answer[NumberPage]{page}, err
	})
	handle(s, Manager, huma.Operation{
		OperationID: "add-number", Method: http.MethodPost, Path: "/v1/numbers", Tags: tags, DefaultStatus: http.StatusCreated, Summary: "Add a telephone number that the org has",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Body struct {
			Number   string `json:"number" maxLength:"60"`
			Kind     string `json:"kind,omitempty" enum:"location,personal" default:"location"`
			Location string `json:"location,omitempty" maxLength:"255"`
			Note     string `json:"note,omitempty" maxLength:"255"`
		}
	},
	) (*answer[dialer.Number], error) {
		b := in.Body
		n := dialer.Number{Number: dialer.Phone(b.Number, ""), Kind: b.Kind, Location: b.Location, Note: b.Note}
		return &answer[dialer.Number]{n}, c.Directory.AddNumber(ctx, n, c.Actor())
	})
	handle(s, Manager, huma.Operation{
		OperationID: "remove-number", Method: http.MethodDelete, Path: "/v1/numbers/{number}", Tags: tags, Summary: "Remove a telephone number that nobody has",
	}, func(ctx context.Context, c call, in *struct {
		InOrg
		Number string `path:"number" maxLength:"60"`
	},
	) (*answer[dialer.Number], error) {
		return &answer[dialer.Number]{dialer.Number{Number: in.Number}}, c.Directory.RemoveNumber(ctx, in.Number, c.Actor())
	})
}
