package simorg

import (
	"net/http"
	"strings"
	"time"
)

// eventSchemaByID answers with a schema that change events have or had.
func (c *call) eventSchemaByID() *reply {
	c.o.mu.RLock()
	s := c.o.bus.schemas[c.args[0]]
	c.o.mu.RUnlock()
	return c.eventSchema(s)
}

// eventSchemaOf answers with the schema that the change events of an object have now.
func (c *call) eventSchemaOf() *reply {
	if !strings.EqualFold(c.args[0], "UserChangeEvent") {
		return notFound().reply()
	}
	c.o.mu.RLock()
	s := c.o.bus.schema
	c.o.mu.RUnlock()
	return c.eventSchema(s)
}

// eventSchema is a schema as over gRPC with its id beside it. Of the formats only COMPACT is simulated.
func (c *call) eventSchema(s *eventSchema) *reply {
	switch {
	case s == nil:
		return notFound().reply()
	case !strings.EqualFold(c.param("payloadFormat"), "COMPACT"):
		return (&apiError{400, "INVALID_INPUT", "payloadFormat: only COMPACT is simulated"}).reply()
	}
	body := strings.TrimSuffix(s.json, "}") + `,"uuid":` + quoted(s.id) + "}"
	return &reply{status: http.StatusOK, body: []byte(body), limits: true}
}

// metricName is of the only usage metric: the rest of them are of events that this org has not.
const metricName = "CHANGE_EVENTS_DELIVERED"

// countDelivered makes the rows of PlatformEventUsageMetric: one for each window of whole hours within the last day.
// All have the same dummy id, as in Salesforce.
func (o *Org) countDelivered() {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.bus.deliveries.total(now) // forgets what is older
	last := now.UTC().Truncate(time.Hour)
	var hours [25]int // delivered before the last full hour, by how many hours
	for _, m := range o.bus.deliveries.minutes {
		if ago := last.Sub(time.Unix(m.at*60, 0)); ago > 0 {
			hours[min(24, int((ago-1)/time.Hour))] += m.n
		}
	}
	var rows [][]value
	for from := 1; from <= 24; from++ {
		sum := 0
		for to := from - 1; to >= 0; to-- {
			sum += hours[to]
			n := sum
			if from == 24 && to == 0 {
				n += o.bus.deliveries.base // of others, at no known time
			}
			rows = append(rows, []value{
				textValue(overflowID), textValue(metricName), timeValue(last.Add(-time.Duration(from) * time.Hour)),
				timeValue(last.Add(-time.Duration(to) * time.Hour)), intValue(n),
			})
		}
	}
	o.live.small[usageMetrics] = rows
}
