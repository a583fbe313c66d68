package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/control"
	"github.com/rosterd/rosterd/dialer"
)

// input is one attribute in a form, or shown.
type input struct {
	control.Attribute
	Value   string     // as the form has it
	Was     string     // as the user had it when the form was made
	Shown   string     // for people
	Options []string   // names of groups that there are
	Rows    [][]cell   // of a list of records
	Locked  string     // why it cannot be changed here, "" when it can
	Problem string     // what is wrong with the value
	Now     string     // what somebody else made of it meanwhile
	Needs   []string   // in words
	Set     bool       // of a secret: there is one
	Picked  []groupBox // of groups: which of them
}

// cell is one value of a record.
type cell struct {
	dialer.Attribute
	Name, Value string
}

type groupBox struct {
	Name string
	On   bool
}

// spareRows is how many empty records a list offers.
const spareRows = 2

// tabSections says which sections of attributes a tab of the user's page has.
func tabSections() []struct {
	Tab, Label string
	Sections   []string
} {
	return []struct {
		Tab, Label string
		Sections   []string
	}{
		{"contact", "Contact", []string{"contact", "preferences"}},
		{"access", "Access", []string{"access", "groups"}},
		{"dialing", "Dialing", []string{"calling", "reaching"}},
		{"recording", "Recording", []string{"recording"}},
		{"devices", "Devices", []string{"phone"}},
		{"salesforce", "Salesforce", []string{"salesforce"}},
		{"more", "More", []string{"messaging", "provisioning"}},
	}
}

// sectionForm is a section of attributes.
type sectionForm struct {
	Title  string
	Inputs []input
}

// sectionsOf makes the sections of a tab. Who may not edit, or what nobody may,
// is locked.
func sectionsOf(table control.AttributePage, u *control.User, tab string, admin bool) []sectionForm {
	var out []sectionForm
	for _, t := range tabSections() {
		if t.Tab != tab {
			continue
		}
		for _, name := range t.Sections {
			s := sectionForm{Title: map[string]string{"phone": "Phone and devices", "reaching": "Being reached", "calling": "Calling"}[name]}
			if s.Title == "" {
				s.Title = sentenceCase(name)
			}
			for _, a := range table.Attributes {
				if a.Section == name {
					s.Inputs = append(s.Inputs, inputOf(a, u, admin))
				}
			}
			if len(s.Inputs) > 0 {
				out = append(out, s)
			}
		}
	}
	return out
}

// inputFor makes a control for a value.
func inputFor(a control.Attribute, v any) input {
	in := input{Attribute: a, Value: formText(a, v), Shown: shown(a, v)}
	in.Was = in.Value
	for _, n := range a.Needs {
		in.Needs = append(in.Needs, needWords(n))
	}
	if a.Secret {
		in.Set, _ = v.(bool)
		in.Value, in.Was, in.Shown = "", "", map[bool]string{true: "set"}[in.Set]
	}
	if a.Kind == dialer.ValueList && len(a.Columns) > 0 {
		in.rows(v)
	}
	return in
}

// inputOf makes a control for an attribute of a user.
func inputOf(a control.Attribute, u *control.User, admin bool) input {
	in := inputFor(a, u.Attributes[a.Name])
	if a.Name == dialer.FieldPhoneValid && u.Attributes[dialer.FieldPhone] == "" ||
		a.Name == dialer.FieldMobileValid && u.Attributes[dialer.FieldMobile] == "" {
		in.Shown = "" // there is no number of which it could be said
	}
	switch {
	case a.Derived || a.Owner == dialer.OwnerSystem:
		in.Locked = "follows from what happens"
	case a.Owner == dialer.OwnerSalesforce && u.SalesforceID != "":
		in.Locked = "from Salesforce: change it there"
	case (a.Name == dialer.FieldSuperuser || a.Name == dialer.FieldProtected) && !admin:
		in.Locked = "for administrators to change"
	case a.Name == dialer.FieldAdminHold:
		in.Locked = "follows from deactivating and activating"
	}
	return in
}

func needWords(n string) string {
	n = strings.TrimPrefix(n, "org.")
	name, value, ok := strings.Cut(n, "=")
	name = strings.ReplaceAll(name, "_", " ")
	if !ok {
		return name
	}
	return name + " " + strings.ReplaceAll(strings.ReplaceAll(value, "|", " or "), "_", " ")
}

func (in *input) rows(v any) {
	list, _ := v.([]any)
	for i := range len(list) + spareRows {
		var record map[string]any
		if i < len(list) {
			record, _ = list[i].(map[string]any)
		}
		var row []cell
		for _, c := range in.Columns {
			row = append(row, cell{c, fmt.Sprintf("%s.%d.%s", in.Name, i, c.Name), formText(c, record[string(c.Name)])})
		}
		in.Rows = append(in.Rows, row)
	}
}

// formText writes a value as a control of a form has it.
func formText(a control.Attribute, v any) string {
	switch a.Kind {
	case dialer.ValueFlag:
		if on, _ := v.(bool); on {
			return "true"
		}
		return ""
	case dialer.ValueGroups:
		return plain(v)
	case dialer.ValueList:
		if len(a.Columns) == 0 {
			list, _ := v.([]any)
			lines := make([]string, len(list))
			for i := range list {
				lines[i] = plain(list[i])
			}
			return strings.Join(lines, "\n")
		}
		if v == nil {
			return "[]"
		}
		text, _ := json.Marshal(v)
		return string(text)
	}
	return plain(v)
}

// shown writes a value for people.
func shown(a control.Attribute, v any) string {
	switch a.Kind {
	case dialer.ValueFlag:
		if on, _ := v.(bool); on {
			return "yes"
		}
		return "no"
	case dialer.ValueList:
		list, _ := v.([]any)
		texts := make([]string, 0, len(list))
		for _, one := range list {
			record, ok := one.(map[string]any)
			if !ok {
				texts = append(texts, plain(one))
				continue
			}
			var parts []string
			for _, c := range a.Columns {
				if s := plain(record[string(c.Name)]); s != "" && s != "no" {
					if c.Kind == dialer.ValueFlag {
						s = c.Label
					}
					parts = append(parts, s)
				}
			}
			texts = append(texts, strings.Join(parts, " "))
		}
		return strings.Join(texts, ", ")
	case dialer.ValueChoice:
		return strings.ReplaceAll(plain(v), "_", " ")
	case dialer.ValueNumber:
		if s := plain(v); s != "" && a.Format != "" {
			return s + " " + map[string]string{"seconds": "s", "percent": "%"}[a.Format]
		}
	}
	return plain(v)
}

// posted reads what the form says of an attribute, as its control has it.
func posted(a control.Attribute, form url.Values) string {
	if a.Kind == dialer.ValueList && len(a.Columns) > 0 {
		var list []map[string]any
		for i := range 200 {
			prefix := fmt.Sprintf("%s.%d.", a.Name, i)
			if !slices.ContainsFunc(a.Columns, func(c dialer.Attribute) bool { return form.Has(prefix + string(c.Name)) }) {
				if i > spareRows {
					break
				}
				continue
			}
			record, some := map[string]any{}, false
			for _, c := range a.Columns {
				text := strings.TrimSpace(form.Get(prefix + string(c.Name)))
				if c.Kind == dialer.ValueText || c.Kind == dialer.ValuePhone {
					some = some || text != ""
				}
				if v := typed(c, text); v != nil && v != "" {
					record[string(c.Name)] = v
				}
				if c.Kind == dialer.ValueChoice && c.Min > 0 && text != "" {
					some = true
				}
			}
			if some {
				list = append(list, record)
			}
		}
		if list == nil {
			return "[]"
		}
		text, _ := json.Marshal(list)
		return string(text)
	}
	if a.Kind == dialer.ValueGroups && form.Has(string(a.Name)+".boxes") {
		return strings.Join(form[string(a.Name)], ", ")
	}
	return strings.ReplaceAll(form.Get(string(a.Name)), "\r\n", "\n")
}

// typed is a text of a form as JSON has it; nil brings the default back.
func typed(a control.Attribute, text string) any {
	switch a.Kind {
	case dialer.ValueFlag:
		return text != ""
	case dialer.ValueNumber:
		if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
			return n
		}
		if strings.TrimSpace(text) == "" {
			return nil
		}
	case dialer.ValueGroups:
		names := []string{}
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
		return names
	case dialer.ValueList:
		if len(a.Columns) > 0 {
			return json.RawMessage(text)
		}
		list := []string{}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				list = append(list, line)
			}
		}
		return list
	}
	return text
}
