package directory

import (
	"strconv"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// filter adds the conditions that a person composes.
func (w *where) filter(q dialer.Query) {
	if q.Licenses != nil {
		w.terms = append(w.terms, "u.id IN (SELECT user_id FROM seats WHERE org_id = $1 AND "+w.list("type", q.Licenses)+")")
	}
	byKind := make(map[dialer.Kind][]string)
	var kinds []dialer.Kind
	for _, g := range q.Groups {
		if byKind[g.Kind] == nil {
			kinds = append(kinds, g.Kind)
		}
		byKind[g.Kind] = append(byKind[g.Kind], g.Name)
	}
	for _, k := range kinds {
		in := w.members(w.list("name", byKind[k]) + " AND kind = " + w.arg(string(k)))
		if k == dialer.KindDesk {
			in = "(" + in + " OR " + allDesks + ")"
		}
		w.terms = append(w.terms, in)
	}
	if q.Within != nil {
		pairs := []string{"1 = 0"}
		for _, g := range q.Within {
			pairs = append(pairs, "kind = "+w.arg(string(g.Kind))+" AND name = "+w.arg(g.Name))
		}
		w.terms = append(w.terms, w.members("("+strings.Join(pairs, " OR ")+")"))
	}
	for _, t := range q.Terms {
		w.terms = append(w.terms, w.term(t))
	}
}

// allDesks is the condition of being a member of all desks. It widens what a
// person looks for, never what somebody is limited to.
const allDesks = `u.settings LIKE '%"member_all_desks":true%'`

// members is the condition of being in a group that fits; $1 is the org.
func (w *where) members(groups string) string {
	in := "u.id IN (SELECT user_id FROM memberships WHERE org_id = $1 AND group_id IN (SELECT id FROM groups WHERE org_id = $1 AND " + groups + "))"
	if w.tx.Postgres() {
		return "(" + in + ") IS TRUE" // looked up in a set: its planner thinks groups small, and would fetch the members one by one
	}
	return in
}

// arg adds an argument and returns its place.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

func (w *where) list(col string, values []string) string {
	w.args = append(w.args, store.Strings(values))
	return w.tx.In(col, len(w.args))
}

// term compares an attribute.
func (w *where) term(t dialer.Term) string {
	value := t.Value
	var have string
	switch t.Field {
	case dialer.FieldName:
		have, value = "u.search_key", dialer.Key(value)
	case dialer.FieldIntegrationStatus:
		have = "CASE WHEN u.salesforce_id <> '' AND u.integration_info IN ('', 'ok') THEN 'integrated' ELSE 'not_integrated' END"
	case dialer.FieldRedirect:
		have = w.redirect()
	case dialer.FieldIntegration:
		have = "u.integration_info"
	case dialer.FieldAdminHold, dialer.FieldProtected, dialer.FieldSuperuser:
		have = "CASE WHEN u." + string(t.Field) + " THEN 'true' ELSE 'false' END"
	default:
		if have = w.column(t.Field); have == "" {
			have = w.setting(t.Field)
		}
	}
	have = "lower(" + have + ")"
	value = strings.Map(func(r rune) rune { // as lower does: letters from a to z
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, value)
	find := "instr"
	if w.tx.Postgres() {
		find = "strpos"
	}
	switch t.Op {
	case dialer.OpIsNot:
		return have + " <> " + w.arg(value)
	case dialer.OpContains:
		return find + "(" + have + ", " + w.arg(value) + ") > 0"
	case dialer.OpStarts:
		return find + "(" + have + ", " + w.arg(value) + ") = 1"
	case dialer.OpEmpty:
		return have + " IN ('', '[]')"
	case dialer.OpSet:
		return have + " NOT IN ('', '[]')"
	}
	return have + " = " + w.arg(value)
}

// redirects is the condition that calls go to another user. The text is looked
// at before the document is read.
const redirects = `u.settings LIKE '%"unavailable_kind":"user"%'`

// redirect is how a redirect to another user stands.
func (w *where) redirect() string {
	return "CASE WHEN NOT " + redirects + " THEN 'none' WHEN EXISTS (SELECT 1 FROM dialer_users t WHERE t.org_id = u.org_id AND t.status = 'active' AND t.id = " +
		w.setting(dialer.FieldUnavailableTarget) + ") THEN 'ok' ELSE '" + dialer.RedirectDangling + "' END"
}

// column returns the column of an attribute that has one, or "".
func (w *where) column(f dialer.Field) string {
	for _, c := range [...]dialer.Field{
		dialer.FieldSalesforceID, dialer.FieldUsername, dialer.FieldEmail, dialer.FieldFirstName, dialer.FieldLastName, dialer.FieldDisplayName,
		dialer.FieldTitle, dialer.FieldEmployeeNumber, dialer.FieldManagerID, dialer.FieldPhone, dialer.FieldMobile, dialer.FieldExtension,
		dialer.FieldVirtualExtension, dialer.FieldTimezone, dialer.FieldLanguage, dialer.FieldSystemRole, dialer.FieldMatchMethod,
		dialer.FieldStatusReason, dialer.FieldOrigin,
	} {
		if c == f {
			return "u." + string(f)
		}
	}
	return ""
}

// setting returns what an attribute in the settings is, in its plain form. f is
// an attribute that there is: its name is no one's input.
func (w *where) setting(f dialer.Field) string {
	def := w.arg(f.Text(new(dialer.User)))
	// Few users have a setting that is not the default: to look for its name is
	// quicker than to read the document.
	if w.tx.Postgres() {
		return "CASE WHEN strpos(u.settings, '\"" + string(f) + "\"') = 0 THEN " + def + "::text ELSE COALESCE(u.settings::jsonb ->> '" + string(f) + "', " + def + "::text) END"
	}
	at := "u.settings, '$." + string(f) + "'"
	return "CASE WHEN instr(u.settings, '\"" + string(f) + "\"') = 0 THEN " + def + " ELSE COALESCE(CASE json_type(" + at +
		") WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(json_extract(" + at + ") AS TEXT) END, " + def + ") END"
}

// after orders the rows, and starts beyond q.After. The id decides between rows
// of one key.
func (w *where) after(q dialer.Query) {
	column, than, desc := orderColumn(q.Order), " > ", ""
	if q.Desc {
		than, desc = " < ", " DESC"
	}
	w.order = column + desc
	if column != "u.id" {
		w.order += ", u.id" + desc
	}
	w.through = w.searches(q)
	if w.through && w.tx.Postgres() && column != "u.id" && !numeric(q.Order) {
		w.order = "(" + column + " || '')" + desc + ", u.id" + desc // or it goes by the index all the same
	}
	if q.After == "" {
		return
	}
	text, id, both := strings.Cut(q.After, "\n")
	var value any = text
	switch q.Order {
	case dialer.OrderUsername, dialer.OrderEmail:
		value = dialer.Key(text)
	case dialer.OrderUpdated, dialer.OrderCreated:
		value, _ = strconv.ParseInt(text, 10, 64) // what is no cursor of ours starts anew
	}
	if !both {
		w.terms = append(w.terms, column+than+w.arg(value))
		return
	}
	w.terms = append(w.terms, "("+column+", u.id)"+than+"("+w.arg(value)+", "+w.arg(id)+")")
}

// searches reports whether a list is better found by passing over the whole
// table than by the index of its order.
func (w *where) searches(q dialer.Query) bool {
	if q.IDs != nil || q.SalesforceIDs != nil || q.Linked || !q.DueBefore.IsZero() || q.Status == dialer.StatusDeleted {
		return false // these have indexes of their own
	}
	switch q.Order {
	case dialer.OrderID, dialer.OrderSalesforceID:
		return false // whoever reads all users, a page at a time
	case dialer.OrderLastName, dialer.OrderUsername:
		return q.Search != "" || q.Terms != nil || q.Status != "" && q.Status != dialer.StatusActive
	}
	return true
}

func numeric(o dialer.Order) bool { return o == dialer.OrderUpdated || o == dialer.OrderCreated }

func orderColumn(o dialer.Order) string {
	switch o {
	case dialer.OrderID:
		return "u.id"
	case dialer.OrderUsername, dialer.OrderEmail:
		return "u." + string(o) + "_key"
	}
	return "u." + string(o)
}

func cursor(o dialer.Order, last *dialer.User) string {
	key := ""
	switch o {
	case dialer.OrderSalesforceID:
		key = last.SalesforceID
	case dialer.OrderUsername:
		key = last.Username
	case dialer.OrderLastName:
		key = last.LastName
	case dialer.OrderFirstName:
		key = last.FirstName
	case dialer.OrderEmail:
		key = last.Email
	case dialer.OrderExtension:
		key = last.Extension
	case dialer.OrderUpdated:
		key = strconv.FormatInt(store.Micros(last.UpdatedAt), 10)
	case dialer.OrderCreated:
		key = strconv.FormatInt(store.Micros(last.CreatedAt), 10)
	default:
		return last.ID
	}
	return key + "\n" + last.ID
}
