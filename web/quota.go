package web

import "github.com/rosterd/rosterd/control"

// quotaWork is how the page calls a kind of work that calls are spent on.
func quotaWork(w control.QuotaWork) string {
	switch w.Kind {
	case "leavers":
		return "Finding people who leave"
	case "request":
		return "What people ask for"
	case "changes":
		return "Looking for changes"
	case "full":
		return "Full syncs"
	}
	return w.Kind
}

// quotaLine is a row of the table of what calls are spent on.
type quotaLine struct {
	control.QuotaWork
	Name string
}

// quotaPart is the part of the health page about API calls. It is left out
// where the daemon does not tell.
func (v *visit) quotaPart(p *healthPage) error {
	q, err := v.api.Quota(v.r.Context())
	if refused(err) != nil {
		return nil
	}
	if err != nil {
		return err
	}
	p.Quota = &q
	for _, w := range q.Work {
		p.Work = append(p.Work, quotaLine{w, quotaWork(w)})
	}
	return nil
}
