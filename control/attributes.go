package control

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rosterd/rosterd/dialer"
)

// AttributePage is the table of attributes: what a user has, and who decides
// on it in the org.
type AttributePage struct {
	Sections   []string           `json:"sections" nullable:"false" doc:"in the order in which they are shown"`
	Attributes []dialer.Attribute `json:"attributes" nullable:"false"`
}

func (s *Server) routeAttributes() {
	handle(s, Viewer, huma.Operation{
		OperationID: "attributes", Method: http.MethodGet, Path: "/v1/attributes", Tags: []string{"users"},
		Summary:     "The attributes that a user has",
		Description: "What forms, filters, mass actions and files go by. The owner is that of the org's mapping rules; a user who is not linked to Salesforce has none that Salesforce owns.",
	}, func(_ context.Context, c call, _ *struct{ InOrg }) (*answer[AttributePage], error) {
		owners := c.Engine.Owners()
		list := dialer.Attributes()
		for i := range list {
			if o, ok := owners[list[i].Name]; ok {
				list[i].Owner = o
			}
		}
		return &answer[AttributePage]{AttributePage{dialer.Sections(), list}}, nil
	})
}

// attributes are those of a user as JSON has them; of a secret, whether it is
// set. names nil means all of them.
func attributes(u *dialer.User, names []dialer.Field) map[dialer.Field]any {
	if names == nil {
		for _, a := range dialer.Attributes() {
			names = append(names, a.Name)
		}
	}
	m := make(map[dialer.Field]any, len(names))
	for _, f := range names {
		m[f] = f.Value(u)
	}
	return m
}
