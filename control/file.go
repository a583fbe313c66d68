package control

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/rosterd/rosterd/dialer"
)

// FileDirectory writes users into files and reads them from files.
// *directory.Directory does.
type FileDirectory interface {
	// Export writes users as csv or json, and notes who had them.
	Export(ctx context.Context, w io.Writer, r dialer.ExportRequest) (int64, error)
	// PreviewImport finds out what would come of each row of a file.
	PreviewImport(ctx context.Context, r dialer.ImportRequest, file io.Reader) (dialer.MassAction, error)
}

// The types of the files, by format.
func fileType(format string) string {
	if format == "csv" {
		return "text/csv"
	}
	return "application/json"
}

// upload is embedded in the input of operations that take a file. It is read as
// it comes, by whoever needs it.
type upload struct{ file io.Reader }

// Resolve keeps the body of the request.
func (u *upload) Resolve(ctx huma.Context) []error {
	u.file = ctx.BodyReader()
	return nil
}

func (s *Server) routeFiles() {
	files := map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: "string"}}, "application/json": {Schema: &huma.Schema{Type: "array", Items: &huma.Schema{Type: "object"}}}}
	handle(s, Viewer, huma.Operation{
		OperationID: "export-users", Method: http.MethodGet, Path: "/v1/users:export", Tags: []string{"users"},
		Summary:     "Write users into a file",
		Description: "A user a row, with the columns asked for. What it gives can be imported; secrets are left out. A file that is not whole is cut off.",
		Responses:   map[string]*huma.Response{"200": {Description: "The file", Content: files}},
	}, exportUsers)
	schema := s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[dialer.MassAction](), true, "MassAction")
	handle(s, Manager, huma.Operation{
		OperationID: "import-users", Method: http.MethodPost, Path: "/v1/users:import", Tags: []string{"users"}, DefaultStatus: http.StatusCreated,
		Summary: "Prepare an import of users from a file: a dry run",
		Description: "A row a user: one with the id, the Salesforce id, the user name or the e-mail address of a user changes that user, another creates one who is not of Salesforce. " +
			"The answer is a mass action, which says what would come of it; nobody is changed until it is started.",
		Responses: map[string]*huma.Response{"201": {Description: "The mass action", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}},
	}, importUsers)
	// Described afterwards: the framework would read a body that it knew of.
	s.api.OpenAPI().Paths["/v1/users:import"].Post.RequestBody = &huma.RequestBody{
		Description: "The file, as export writes it", Required: true, Content: files,
	}
}

func exportUsers(ctx context.Context, c call, in *struct {
	InOrg
	UserList
	Format  string   `query:"format" enum:"csv,json" default:"csv"`
	Columns []string `query:"columns" maxItems:"200" doc:"names of attributes, and id, status and license_types; all when left out"`
	Reason  string   `query:"reason" maxLength:"500" doc:"why, for the activity log"`
},
) (*huma.StreamResponse, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	q.Within = c.Within
	r := dialer.ExportRequest{Format: in.Format, Query: q, Filter: in.words(), Reason: in.Reason, Actor: c.Actor()}
	for _, name := range in.Columns {
		r.Columns = append(r.Columns, dialer.Field(name))
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		req, w := humago.Unwrap(hc)
		out := &late{w: w, kind: fileType(in.Format), name: c.name + "-users." + in.Format}
		_, err := c.Directory.Export(req.Context(), patient{out, http.NewResponseController(w)}, r)
		switch {
		case err == nil:
		case out.begun:
			panic(http.ErrAbortHandler) // so that nobody takes a part for the whole
		default:
			fileProblem(err).write(w)
		}
	}}, nil
}

// fileProblem is the answer to an error of what has to do with files, where
// columns are what is wrong.
func fileProblem(err error) *Problem {
	p := problemOf(err)
	for i := range p.Fields {
		p.Fields[i].Location = "query.columns" + p.Fields[i].Location[strings.LastIndexByte(p.Fields[i].Location, '.'):]
	}
	return p
}

// late is a file that begins with its first byte: until then the answer can be
// another.
type late struct {
	w          http.ResponseWriter
	kind, name string
	begun      bool
}

// Write begins the file where that was not done.
func (l *late) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", l.kind+"; charset=utf-8")
		l.w.Header().Set("Content-Disposition", `attachment; filename="`+l.name+`"`)
	}
	return l.w.Write(b)
}

func importUsers(ctx context.Context, c call, in *struct {
	InOrg
	upload
	Type     string   `header:"Content-Type" doc:"text/csv or application/json"`
	Reason   string   `query:"reason" maxLength:"500" doc:"why, for the activity log"`
	Licenses []string `query:"license_types" maxItems:"20" doc:"seats of users who are created; the default types when left out"`
	NoInvite bool     `query:"no_invite" doc:"users who are created get no invitation"`
},
) (*answer[dialer.MassAction], error) {
	format := "json"
	switch kind, _, _ := strings.Cut(in.Type, ";"); strings.ToLower(strings.TrimSpace(kind)) {
	case "text/csv":
		format = "csv"
	case "application/json":
	default:
		return nil, newProblem(http.StatusUnsupportedMediaType, CodeInvalid, "a file is text/csv or application/json", "say which in Content-Type")
	}
	r := dialer.ImportRequest{Format: format, Seats: in.Licenses, NoInvite: in.NoInvite, Reason: in.Reason, Actor: c.Actor()}
	m, err := c.Directory.PreviewImport(ctx, r, in.file)
	return &answer[dialer.MassAction]{m}, err
}
