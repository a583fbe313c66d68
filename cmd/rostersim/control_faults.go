package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rosterd/rosterd/crm/simorg"
)

// faultRoutes turn the fault switches of the org.
func (c *control) faultRoutes() map[string]func(r *http.Request) (any, error) {
	return map[string]func(r *http.Request) (any, error){
		"POST /sim/faults":                 c.fault,
		"DELETE /sim/faults":               c.clearFaults,
		"POST /sim/faults/hide-field":      c.hideField,
		"POST /sim/faults/hide-users":      c.hideUsers,
		"POST /sim/faults/expire":          c.expire,
		"POST /sim/faults/expire-locators": c.expireLocators,
		"POST /sim/faults/move-instance":   c.moveInstance,
		"POST /sim/faults/retire-version":  c.retireVersion,
		"POST /sim/faults/limit-info":      c.limitInfo,
		"POST /sim/faults/skew":            c.skew,
		"POST /sim/bulk":                   c.bulk,
	}
}

func (c *control) fault(r *http.Request) (any, error) {
	var rule simorg.Rule
	if err := body(r, &rule); err != nil {
		return nil, err
	}
	if err := rule.Check(); err != nil {
		return nil, err
	}
	c.org.Faults().Add(rule)
	return ok{true}, nil
}

func (c *control) clearFaults(*http.Request) (any, error) {
	c.org.Faults().Clear()
	return ok{true}, nil
}

func (c *control) hideField(r *http.Request) (any, error) {
	in := struct {
		Object string `json:"object"`
		Field  string `json:"field"`
		Show   bool   `json:"show"`
	}{Object: "User"}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	if in.Show {
		c.org.Faults().ShowField(in.Object, in.Field)
	} else {
		c.org.Faults().HideField(in.Object, in.Field)
	}
	return ok{true}, nil
}

func (c *control) expire(*http.Request) (any, error) {
	c.org.Faults().ExpireSessions()
	return ok{true}, nil
}

func (c *control) expireLocators(*http.Request) (any, error) {
	c.org.Faults().ExpireLocators()
	return ok{true}, nil
}

// hideUsers reduces what the API user sees; no ids show everyone again.
func (c *control) hideUsers(r *http.Request) (any, error) {
	var in struct {
		IDs []string `json:"ids"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	hidden := map[string]bool{}
	for _, id := range in.IDs {
		u, err := c.org.User(id)
		if err != nil {
			return nil, err
		}
		hidden[u.ID] = true
	}
	if len(hidden) == 0 {
		c.org.Faults().HideUsers(nil)
		return ok{true}, nil
	}
	c.org.Faults().HideUsers(func(u simorg.User) bool { return hidden[u.ID] })
	return ok{true}, nil
}

func (c *control) retireVersion(r *http.Request) (any, error) {
	var in struct {
		Version string `json:"version"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	if in.Version == "" {
		return nil, errors.New("version: write one such as 62.0")
	}
	c.org.Faults().RetireVersion(in.Version)
	return ok{true}, nil
}

// limitInfo changes the Sforce-Limit-Info header.
func (c *control) limitInfo(r *http.Request) (any, error) {
	var in struct {
		Form string `json:"form"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	form, known := map[string]func(string) string{
		"usual": nil, "bursts": simorg.LimitInfoBursts, "per_app": simorg.LimitInfoPerApp,
		"missing": simorg.LimitInfoMissing, "garbage": simorg.LimitInfoGarbage,
	}[in.Form]
	if !known {
		return nil, fmt.Errorf("form %q: usual, bursts, per_app, missing or garbage", in.Form)
	}
	c.org.Faults().SetLimitInfo(form)
	return ok{true}, nil
}

// bulk sets how query jobs are worked on. What is left out stays as it is.
func (c *control) bulk(r *http.Request) (any, error) {
	var in struct {
		Delay  string `json:"delay"` // a duration, from creation to completion
		Page   int    `json:"page"`  // most rows of a page of results
		Used   *int   `json:"used"`  // jobs of the last 24 hours
		Max    int    `json:"max"`   // jobs allowed in 24 hours
		Forget bool   `json:"forget"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	if in.Delay != "" {
		d, err := time.ParseDuration(in.Delay)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("delay %q: write a duration such as 10s", in.Delay)
		}
		c.org.SetBulkDelay(d)
	}
	if in.Page > 0 {
		c.org.SetBulkPage(in.Page)
	}
	if in.Used != nil || in.Max > 0 {
		used, most := c.org.BulkUsage()
		if in.Used != nil {
			used = *in.Used
		}
		if in.Max > 0 {
			most = in.Max
		}
		c.org.SetBulkUsage(used, most)
	}
	if in.Forget {
		c.org.ForgetBulkJobs()
	}
	return ok{true}, nil
}

func (c *control) moveInstance(r *http.Request) (any, error) {
	var in struct {
		URL string `json:"url"`
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	c.org.Faults().MoveInstance(in.URL)
	return ok{true}, nil
}

func (c *control) skew(r *http.Request) (any, error) {
	var in struct {
		Ahead string `json:"ahead"` // a duration
	}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(in.Ahead)
	if err != nil {
		return nil, fmt.Errorf("ahead: %w", err)
	}
	c.org.Faults().SkewClock(d)
	return ok{true}, nil
}
