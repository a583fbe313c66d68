package web

import (
	"strings"
	"testing"
	"time"

	"github.com/rosterd/rosterd/control"
)

// The chart of lags draws an hour that had changes, tells the same in its table,
// and leaves out what is older.
func TestChartLag(t *testing.T) {
	v := &visit{zone: time.UTC}
	hour := time.Now().UTC().Truncate(time.Hour)
	c := v.chartLag([]control.LagRow{
		{At: hour.Add(-30 * time.Hour), N: 9, MeanMS: 1, MostMS: 86_000_000},
		{At: hour.Add(-2 * time.Hour), N: 3, MeanMS: 400, MostMS: 1_500},
		{At: hour, N: 1, MeanMS: 90, MostMS: 90},
	})
	if len(c.Series[0].Bars) != 2 || strings.Count(c.Series[1].Path, "M") != 2 || c.Empty {
		t.Errorf("%d bars, path %q", len(c.Series[0].Bars), c.Series[1].Path)
	}
	if got := c.Lines[2].Label; got != "2s" {
		t.Errorf("the scale ends at %s, want 2s", got)
	}
	for _, b := range c.Series[0].Bars {
		if b.Y < chartTop || b.Y+b.H > chartBottom+0.01 || b.H <= 0 {
			t.Errorf("a bar leaves the drawing: %+v", b)
		}
	}
	if row := c.Rows[21]; row.Values[0] != "1.5 s" || row.Values[1] != "400 ms" {
		t.Errorf("the table says %v", row)
	}
	if row := c.Rows[20]; row.Values[0] != "–" {
		t.Errorf("an hour without changes says %v", row)
	}
	if c := v.chartLag(nil); !c.Empty || len(c.Rows) != 24 {
		t.Errorf("nothing to draw: %+v", c)
	}
}
