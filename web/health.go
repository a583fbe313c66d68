package web

import (
	"errors"

	"github.com/rosterd/rosterd/control"
)

// refused is the API's refusal in an error, nil when it is none or the API's
// own fault.
func refused(err error) *control.Problem {
	if p, ok := errors.AsType[*control.Problem](err); ok && p.Status < 500 {
		return p
	}
	return nil
}

// healthPage is what the health page shows.
type healthPage struct {
	Version string
	Status  control.OrgStatus
	Checks  *control.Checks
	Runs    []runLine
	Charts  []chart
	Quota   *control.QuotaStatus
	Work    []quotaLine // what API calls are spent on
}

// healthNow is the part that moves.
func (v *visit) healthNow() (healthPage, error) {
	st, err := v.api.Status(v.r.Context())
	if err != nil {
		return healthPage{}, err
	}
	return healthPage{Version: st.Version, Status: st.Orgs[0]}, nil
}

func (v *visit) health() error {
	p, err := v.healthNow()
	if err != nil {
		return err
	}
	if err := v.chartHealth(&p); err != nil {
		return err
	}
	return v.page("health", "Health", p)
}

// doHealth pauses or resumes the sync, or checks everything.
func (v *visit) doHealth() error {
	ctx, at := v.r.Context(), v.At("/health")
	switch v.form("act") {
	case "pause":
		if _, err := v.api.Pause(ctx, v.form("reason")); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", "The sync is paused. Until it is resumed nothing is written, and leavers who fall due keep their access.", ""})
	case "resume":
		if _, err := v.api.Resume(ctx); err != nil {
			return v.back(at, err)
		}
		return v.see(at, note{"ok", "The sync goes on.", ""})
	case "doctor":
		checks, err := v.api.Doctor(ctx)
		if err != nil {
			return v.back(at, err)
		}
		p, err := v.healthNow()
		if err != nil {
			return err
		}
		if err := v.chartHealth(&p); err != nil {
			return err
		}
		p.Checks = &checks
		return v.page("health", "Health", p)
	}
	return missing("There is no such action.")
}
