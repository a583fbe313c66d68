package web

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

// groupsPage lists the groups of a kind.
type groupsPage struct {
	Kind   control.GroupKind
	Kinds  []tab
	Groups []groupLine
	Name   string // of a group that could not be added
	Error  *control.Problem
	May    bool // the visitor may change groups of this kind
}

// groupLine is a group with its settings in words.
type groupLine struct {
	dialer.GroupInfo
	Settings string
	Members  string // address of the list of members
}

// groups lists the groups of a kind.
func (v *visit) groups() error { return v.showGroups(groupsPage{}, http.StatusOK) }

func (v *visit) showGroups(p groupsPage, status int) error {
	ctx := v.r.Context()
	kinds, err := v.api.GroupKinds(ctx)
	if err != nil {
		return err
	}
	name := v.query("kind")
	for _, k := range kinds.Kinds {
		if p.Kind.Kind == "" || string(k.Kind) == name {
			p.Kind = k
		}
	}
	for _, k := range kinds.Kinds {
		p.Kinds = append(p.Kinds, tab{string(k.Kind), groupsWord(k.Kind), v.At("/groups") + "?kind=" + string(k.Kind), k.Kind == p.Kind.Kind})
	}
	page, err := v.api.Groups(ctx, string(p.Kind.Kind))
	if err != nil {
		return err
	}
	for _, g := range page.Groups {
		line := groupLine{GroupInfo: g}
		var said []string
		for _, a := range p.Kind.Settings {
			if s := shown(a, g.Settings[a.Name]); s != "" && s != "no" {
				said = append(said, a.Label+": "+s)
			}
		}
		line.Settings = strings.Join(said, " · ")
		line.Members = v.At("/users") + "?" + url.Values{"status": {"all"}, "f": {string(g.Kind)}, "op": {"is"}, "v": {g.Name}}.Encode()
		p.Groups = append(p.Groups, line)
	}
	p.May = v.mayShape(p.Kind.Kind)
	return v.show(status, "groups", "Groups", p)
}

func groupsWord(k dialer.Kind) string {
	switch k {
	case dialer.KindACD:
		return "ACDs"
	case dialer.KindRole, dialer.KindTag, dialer.KindDesk, dialer.KindTemplate, dialer.KindLocation, dialer.KindDepartment, dialer.KindCampaign, dialer.KindInitiative:
		return sentenceCase(string(k)) + "s"
	}
	return sentenceCase(string(k)) + "s"
}

// mayShape reports whether the visitor may say what groups of a kind mean.
func (v *visit) mayShape(k dialer.Kind) bool {
	return v.May(control.Manager) && (k != dialer.KindPermissionGroup || v.May(control.Admin))
}

// addGroup adds one.
func (v *visit) addGroup() error {
	kind, name := v.form("kind"), strings.TrimSpace(v.form("name"))
	v.r.URL.RawQuery = url.Values{"kind": {kind}}.Encode()
	g, err := v.api.AddGroup(v.r.Context(), control.NewGroup{Kind: dialer.Kind(kind), Name: name})
	if problem := refused(err); problem != nil {
		return v.showGroups(groupsPage{Name: name, Error: problem}, problem.Status)
	}
	if err != nil {
		return err
	}
	return v.see(v.At("/groups/%d", g.ID), note{"ok", g.Name + " is added.", ""})
}

// groupPage is a form with the settings of a group.
type groupPage struct {
	Group  dialer.GroupInfo
	Inputs []input
	Others []string // groups that its members could go to
	Back   string
	Word   string
	May    bool
	Error  *control.Problem
}

func (v *visit) groupForm() (groupPage, error) {
	ctx := v.r.Context()
	g, err := v.api.Group(ctx, number64(v.r.PathValue("id")))
	if err != nil {
		return groupPage{}, err
	}
	p := groupPage{Group: g, Back: v.At("/groups") + "?kind=" + string(g.Kind), Word: groupsWord(g.Kind), May: v.mayShape(g.Kind)}
	kinds, err := v.api.GroupKinds(ctx)
	if err != nil {
		return p, err
	}
	for _, k := range kinds.Kinds {
		if k.Kind != g.Kind {
			continue
		}
		for _, a := range k.Settings {
			p.Inputs = append(p.Inputs, inputFor(a, g.Settings[a.Name]))
		}
	}
	others, err := v.api.Groups(ctx, string(g.Kind))
	if err != nil {
		return p, err
	}
	for _, o := range others.Groups {
		if o.ID != g.ID {
			p.Others = append(p.Others, o.Name)
		}
	}
	return p, nil
}

func (v *visit) group() error {
	p, err := v.groupForm()
	if err != nil {
		return err
	}
	return v.page("group", p.Group.Name, p)
}

// changed reads from a form what of some attributes was changed there.
func changed(inputs []input, form url.Values) map[string]any {
	out := map[string]any{}
	for i := range inputs {
		in := &inputs[i]
		was := strings.ReplaceAll(form.Get("was."+string(in.Name)), "\r\n", "\n")
		if in.Locked != "" || !form.Has("was."+string(in.Name)) {
			continue
		}
		if is := posted(in.Attribute, form); is != was {
			in.refill(is)
			out[string(in.Name)] = typed(in.Attribute, is)
		}
	}
	return out
}

// wrong puts what is wrong with single values beside them.
func wrong(inputs []input, problem *control.Problem) {
	for _, f := range problem.Fields {
		name := f.Location[strings.LastIndexByte(f.Location, '.')+1:]
		for i := range inputs {
			if string(inputs[i].Name) == name {
				inputs[i].Problem = sentence(inputs[i].Label + " " + f.Message)
			}
		}
	}
}

// saveGroup renames a group or changes its settings.
func (v *visit) saveGroup() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	p, err := v.groupForm()
	if err != nil {
		return err
	}
	e := control.GroupEdit{Settings: changed(p.Inputs, v.r.PostForm)}
	if name := strings.TrimSpace(v.form("name")); name != p.Group.Name {
		e.Name = &name
	}
	g, err := v.api.EditGroup(v.r.Context(), p.Group.ID, e)
	if problem := refused(err); problem != nil {
		p.Error = problem
		wrong(p.Inputs, problem)
		return v.show(problem.Status, "group", p.Group.Name, p)
	}
	if err != nil {
		return err
	}
	return v.see(p.Back, note{"ok", g.Name + " is saved.", ""})
}

// deleteGroup deletes a group, and moves its members.
func (v *visit) deleteGroup() error {
	id := number64(v.r.PathValue("id"))
	g, err := v.api.Group(v.r.Context(), id)
	if err != nil {
		return err
	}
	done, err := v.api.DeleteGroup(v.r.Context(), id, v.form("move_to"))
	if err != nil {
		return v.back(v.At("/groups/%d", id), err)
	}
	hint := ""
	if done.Moved > 0 {
		hint = fmt.Sprintf("%s moved to %s.", plural(done.Moved, "member has", "members have"), v.form("move_to"))
	}
	return v.see(v.At("/groups")+"?kind="+string(g.Kind), note{"ok", g.Name + " is deleted.", hint})
}

// offerGroups puts the groups that there are into the controls of a form.
func (v *visit) offerGroups(inputs []input) error {
	if !slices.ContainsFunc(inputs, func(in input) bool { return in.Kind == dialer.ValueGroups && in.Locked == "" }) {
		return nil
	}
	page, err := v.api.Groups(v.r.Context(), "")
	if err != nil {
		return err
	}
	for i := range inputs {
		in := &inputs[i]
		if in.Kind != dialer.ValueGroups || in.Locked != "" {
			continue
		}
		names := []string{}
		for name := range strings.SplitSeq(in.Value, ", ") {
			if name != "" {
				names = append(names, name)
			}
		}
		in.Picked = nil
		for _, g := range page.Groups {
			if string(g.Kind) == string(in.Name) {
				in.Picked = append(in.Picked, groupBox{g.Name, slices.Contains(names, g.Name)})
			}
		}
		if len(in.Picked) > boxesMost || slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, ",") }) {
			in.Picked = nil // typed instead
		}
	}
	return nil
}

// boxesMost is how many groups a form offers to tick; more are typed.
const boxesMost = 60

// settingsPage is a form with what the org is entitled to and its defaults.
type settingsPage struct {
	Sections []sectionForm
	Error    *control.Problem
	May      bool
}

func (v *visit) settingsForm() (settingsPage, error) {
	var p settingsPage
	org, err := v.api.OrgSettings(v.r.Context())
	if err != nil {
		return p, err
	}
	grants, defaults := sectionForm{Title: "Entitlements"}, sectionForm{Title: "Defaults"}
	for _, a := range org.Attributes {
		in := inputFor(a, org.Settings[a.Name])
		in.Locked = ""
		switch granted := a.Owner == dialer.OwnerSystem; {
		case granted:
			if !v.May(control.Support) || v.me.Role == control.Manager {
				in.Locked = "granted by support"
			}
			grants.Inputs = append(grants.Inputs, in)
		default:
			if !v.May(control.Admin) {
				in.Locked = "for administrators to change"
			}
			defaults.Inputs = append(defaults.Inputs, in)
		}
		p.May = p.May || in.Locked == ""
	}
	p.Sections = []sectionForm{grants, defaults}
	return p, nil
}

func (v *visit) settings() error {
	p, err := v.settingsForm()
	if err != nil {
		return err
	}
	return v.page("settings", "Org settings", p)
}

// saveSettings changes what was changed in the form.
func (v *visit) saveSettings() error {
	if err := v.r.ParseForm(); err != nil {
		return err
	}
	p, err := v.settingsForm()
	if err != nil {
		return err
	}
	values := map[string]any{}
	for _, s := range p.Sections {
		maps.Copy(values, changed(s.Inputs, v.r.PostForm))
	}
	if len(values) == 0 {
		return v.see(v.At("/settings"), note{"ok", "Nothing was changed.", ""})
	}
	_, err = v.api.EditOrg(v.r.Context(), values)
	if problem := refused(err); problem != nil {
		p.Error = problem
		for _, s := range p.Sections {
			wrong(s.Inputs, problem)
		}
		return v.show(problem.Status, "settings", "Org settings", p)
	}
	if err != nil {
		return err
	}
	return v.see(v.At("/settings"), note{"ok", plural(len(values), "setting is", "settings are") + " saved.", ""})
}
