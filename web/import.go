package web

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"

	"github.com/rosterd/rosterd/control"
)

// importPage is the form for a file of users.
type importPage struct {
	Reason   string
	NoInvite bool
	Error    *control.Problem
}

// importFile shows the form.
func (v *visit) importFile() error { return v.page("import", "Import users", importPage{}) }

// previewImport finds out what would come of a file. It is passed on as it
// comes, and never kept here.
func (v *visit) previewImport() error {
	form, err := v.r.MultipartReader()
	if err != nil {
		return v.see(v.At("/users/import"), note{"bad", "Choose a file.", ""})
	}
	var p importPage
	for {
		part, err := form.NextPart()
		if err != nil { // the file comes last in the form
			return v.see(v.At("/users/import"), note{"bad", "Choose a file.", ""})
		}
		switch part.FormName() {
		case "reason":
			text, _ := io.ReadAll(io.LimitReader(part, 2000))
			p.Reason = string(text)
		case "no_invite":
			p.NoInvite = true
		case "file":
			if part.FileName() == "" {
				return v.see(v.At("/users/import"), note{"bad", "Choose a file.", ""})
			}
			format := strings.ToLower(strings.TrimPrefix(path.Ext(part.FileName()), "."))
			if format != "json" {
				format = "csv"
			}
			m, err := v.api.ImportUsers(v.r.Context(), part, control.ImportOptions{Format: format, Reason: p.Reason, NoInvite: p.NoInvite})
			if p.Error = refused(err); p.Error != nil {
				return v.show(p.Error.Status, "import", "Import users", p)
			}
			if err != nil {
				return fmt.Errorf("import: %w", err)
			}
			http.Redirect(v.w, v.r, v.At("/mass/%d", m.ID), http.StatusSeeOther)
			return nil
		}
	}
}
