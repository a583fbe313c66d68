package sync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// Explain says why a person is in the state that they are in. It reads local
// state only; but whom that does not know, and who is named by the Salesforce id,
// it asks Salesforce about.
func (e *Engine) Explain(ctx context.Context, ref string) (Explanation, error) {
	x := Explanation{Asked: ref}
	user, err := e.dir.User(ctx, ref)
	switch {
	case errors.Is(err, dialer.ErrAmbiguous):
		return x, &hinted{ErrAmbiguous, "name one of them by the Salesforce id, or the id in the dialer"}
	case err != nil && !errors.Is(err, dialer.ErrNotFound):
		return x, err
	}
	have := err == nil
	source := ref
	if have && user.SalesforceID != "" {
		source = user.SalesforceID
	}
	rows, err := e.mirrored(ctx, source)
	if err != nil {
		return x, err
	}
	if len(rows) > 1 {
		return x, &hinted{ErrAmbiguous, "name one of them by the Salesforce id"}
	}
	if !have && len(rows) == 0 {
		if rows, err = e.ask(ctx, ref); err != nil {
			return x, err
		}
		x.Unseen = e.prefilter()
	}
	if !have && len(rows) == 1 {
		if u, err := e.dir.User(ctx, rows[0].ID); err == nil {
			user, have = u, true
		} else if !errors.Is(err, dialer.ErrNotFound) {
			return x, err
		}
	}
	var d *Desired
	if len(rows) == 1 {
		if have && user.SalesforceID == "" {
			rows = nil // a local user who only looks like a Salesforce user
		} else if d, err = e.explainSource(&x, &rows[0]); err != nil {
			return x, err
		}
	}
	if have {
		x.User = &UserView{
			ID: user.ID, Username: user.Username, Status: user.Status, StatusReason: user.StatusReason, DeactivateAt: user.DeactivateAt,
			Licenses: user.LicenseTypes, AdminHold: user.AdminHold, Protected: user.Protected,
		}
	}
	if err := e.explainPending(ctx, &x, &user, have); err != nil {
		return x, err
	}
	e.explainMatch(&x, d, &user, have)
	x.Conclusion = conclude(&x, d, &user, have)
	return x, nil
}

// ask reads someone from Salesforce whom no sync has shown yet, by id and within
// the budget. Nothing of it is kept.
func (e *Engine) ask(ctx context.Context, ref string) ([]store.MirrorRow, error) {
	unknown := &hinted{ErrUnknownUser, "they may be new in Salesforce, or left out by the prefilter"}
	if f := e.prefilter(); f != "" {
		unknown.hint += " (" + f + ")"
	}
	unknown.hint += ": name them by their Salesforce id"
	id, err := crm.ParseID(strings.TrimSpace(ref))
	if err != nil || !strings.HasPrefix(id, "005") || e.ready(true) != nil || e.quota.allow(workRequest, 2, false) != nil {
		return nil, unknown
	}
	c := e.crm()
	fields, err := c.Describe(ctx)
	if err != nil {
		return nil, err
	}
	var rows []store.MirrorRow
	for u, err := range c.ByID(ctx, fields.Select, []crm.ID{id}) {
		if _, gone := errors.AsType[*crm.NotVisibleError](err); gone {
			return nil, unknown
		}
		if err != nil {
			return nil, err
		}
		row, err := rowOf(&u, false, hashUser(&u, false), e.now())
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// explainSource says what the rules make of the mirror's copy.
func (e *Engine) explainSource(x *Explanation, row *store.MirrorRow) (*Desired, error) {
	cfg := e.config()
	var u crm.User
	fields := map[string]any{}
	if err := errors.Join(json.Unmarshal(row.Doc, &u), json.Unmarshal(row.Doc, &fields)); err != nil {
		return nil, fmt.Errorf("read the mirror's copy: %w", err)
	}
	u.IsFrozen = row.Frozen
	x.Source = &Source{ID: row.ID, Fields: fields, Frozen: row.Frozen, Visible: row.Visible, Modified: store.Time(row.Modstamp), ReadAt: store.Time(row.ReadAt)}
	hidden := e.hiddenFields(cfg)
	d := cfg.judge(row, hidden)
	x.Scope = cfg.Policy.explainScope(&u)
	for _, r := range cfg.Policy.rules {
		m := MappedField{Field: r.Set, Rule: r.To, Own: r.Own}
		for _, h := range hidden {
			m.Held = m.Held || slices.Contains(r.uses, h)
		}
		m.Value = r.field.Value(&d.User)
		x.Mapping = append(x.Mapping, m)
	}
	return &d, nil
}

// explainScope judges each operand of the scope's conjunction for itself.
func (p *Policy) explainScope(u *crm.User) *ScopeVerdict {
	v := &ScopeVerdict{Expression: p.scope.To}
	in, err := p.InScope(u)
	v.In = in
	if err != nil {
		v.Error = err.Error()
	}
	tree, err := parser.Parse(p.scope.To)
	if err != nil {
		return v
	}
	for _, n := range conjuncts(tree.Node) {
		c := Clause{Expression: n.String()}
		if prog, err := expr.Compile(c.Expression, expr.Env(env{}), expr.AsBool()); err == nil {
			out, err := expr.Run(prog, env{User: u})
			c.True = err == nil && out == true
		}
		v.Clauses = append(v.Clauses, c)
	}
	return v
}

func conjuncts(n ast.Node) []ast.Node {
	if b, ok := n.(*ast.BinaryNode); ok && (b.Operator == "&&" || b.Operator == "and") {
		return append(conjuncts(b.Left), conjuncts(b.Right)...)
	}
	return []ast.Node{n}
}

func (e *Engine) explainPending(ctx context.Context, x *Explanation, u *dialer.User, have bool) error {
	id := u.SalesforceID
	if x.Source != nil {
		id = x.Source.ID
	}
	if id != "" {
		rows, err := e.journal.PendingOf(ctx, []string{id})
		if err != nil {
			return err
		}
		for _, p := range rows {
			x.Pending = append(x.Pending, PendingView{
				Kind: p.Kind, Since: store.Time(p.Since), Next: store.Time(p.Next), Attempts: int(p.Attempts), Detail: p.Detail,
			})
		}
		held, err := e.journal.HeldOf(ctx, id)
		if err != nil {
			return err
		}
		for _, h := range held {
			x.Pending = append(x.Pending, PendingView{Kind: "held", Since: store.Time(h.Since), Detail: h.Verb + ": " + h.Why})
		}
		open, err := e.journal.Attention(ctx, id)
		if err != nil {
			return err
		}
		x.Attention = items(open)
	}
	if have && !u.DeactivateAt.IsZero() && u.Status == dialer.StatusActive {
		x.Pending = append(x.Pending, PendingView{Kind: "deactivation", Next: u.DeactivateAt, Detail: string(u.DeactivateWhy)})
	}
	if !have {
		return nil
	}
	var err error
	x.Actions, err = e.dir.Activity(ctx, dialer.ActivityQuery{UserID: u.ID, Newest: true, Limit: 20})
	return err
}

func (e *Engine) explainMatch(x *Explanation, d *Desired, u *dialer.User, have bool) {
	switch {
	case have && u.SalesforceID != "" && u.MatchMethod != "":
		x.Match = "linked to " + u.SalesforceID + " by " + u.MatchMethod
	case have && u.SalesforceID != "":
		x.Match = "linked to " + u.SalesforceID + " when they were added"
	case have:
		x.Match = "a local user, not linked to Salesforce: the sync never touches them"
	default:
		x.Match = "not in the dialer"
	}
	x.Seat = "none"
	if have && len(u.LicenseTypes) > 0 {
		x.Seat = strings.Join(u.LicenseTypes, ", ")
	}
	for _, p := range x.Pending {
		if p.Kind == store.PendingNoSeat {
			x.Seat = "waits for one since " + moment(p.Since)
		}
	}
	if d == nil || !have || d.Err != nil || d.Unknown {
		return
	}
	var p DiffPolicy
	for _, f := range d.Owned {
		if p.differs(f, d, u) {
			x.Diff = append(x.Diff, FieldDiff{Field: string(f), Have: f.Value(u), Want: f.Value(&d.User)})
		}
	}
}
