package crm

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Limit is one of the org's allocations.
type Limit struct{ Max, Remaining int }

// Limits are the org's allocations.
type Limits struct {
	DailyAPIRequests Limit
	All              map[string]Limit // every one that has a Max and a Remaining, by Salesforce's name
}

// Limits asks for the org's allocations. It costs a call, and what it says may be
// some minutes old; Usage costs nothing.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	var limits Limits
	_, err := c.call(ctx, request{op: opLimits, path: c.data("/limits")}, func(resp *http.Response) error {
		limits = Limits{All: map[string]Limit{}}
		var raw map[string]jsontext.Value
		if err := json.UnmarshalRead(resp.Body, &raw); err != nil {
			return err
		}
		for name, value := range raw {
			var l struct{ Max, Remaining *int }
			if json.Unmarshal(value, &l) == nil && l.Max != nil && l.Remaining != nil {
				limits.All[name] = Limit{*l.Max, *l.Remaining}
			}
		}
		var ok bool
		if limits.DailyAPIRequests, ok = limits.All["DailyApiRequests"]; !ok {
			return shape("no DailyApiRequests")
		}
		return nil
	})
	if err != nil {
		return Limits{}, fmt.Errorf("read limits: %w", err)
	}
	return limits, nil
}
