package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// apiVersion is that of the API, not of the daemon: it rises when something
// that programs rely on changes.
const apiVersion = "1.0"

// routes registers everything that the server answers.
func (s *Server) routes() {
	s.mux = http.NewServeMux()
	config := huma.DefaultConfig("rosterd control API", apiVersion)
	config.Info.Description = "Keeps a phone dialer's user directory in step with Salesforce. Over the Unix socket every caller is an " +
		"administrator; over TCP a bearer token says who calls and what they may do."
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", "" // its pages load scripts from elsewhere
	config.CreateHooks = nil                                             // no $schema in answers
	config.Transformers = []huma.Transformer{ours}
	config.Formats = map[string]huma.Format{}
	for name, f := range huma.DefaultFormats {
		config.Formats[name] = refuseNUL(f)
	}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}}
	s.api = huma.NewAPI(config, newAdapter(s.mux))

	s.routeStatus()
	s.routeRuns()
	s.routeUsers()
	s.routeAttributes()
	s.routeUserEdits()
	s.routeUserCreate()
	s.routeFiles()
	s.routeGroups()
	s.routeOrg()
	s.routeUserActions()
	s.routeLicenses()
	s.routeAttention()
	s.routePeople()
	s.routeTrend()
	s.routeActivity()
	s.routeTail()
	s.routeLeavers()
	s.routeMass()
	s.routeSessions()
	s.routeCredentials()
	s.routeOpen()
	s.mux.HandleFunc("/", s.fallback)

	// The framework describes its own errors although none of them is sent.
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		delete(s.api.OpenAPI().Components.Schemas.Map(), name)
	}
}

// describeErrors says that whatever is not the answer is a Problem.
func describeErrors(api huma.API, r map[string]*huma.Response) map[string]*huma.Response {
	if r == nil {
		r = map[string]*huma.Response{}
	}
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	r["default"] = &huma.Response{
		Description: "The request was refused or failed",
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: schema}},
	}
	return r
}

// OpenAPI describes the API, as OpenAPI 3.1 in JSON.
func (s *Server) OpenAPI() ([]byte, error) {
	short, err := json.Marshal(s.api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	var long bytes.Buffer
	if err := json.Indent(&long, short, "", "  "); err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	long.WriteByte('\n')
	return long.Bytes(), nil
}
