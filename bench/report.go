package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	resultsFile = "bench/results.json"
	pageFile    = "bench/RESULTS.md"
)

// row is one figure beside its floor. Where a unit is none, the value is a
// count. A target is of the ratio for times in seconds, of the value otherwise.
type row struct {
	Name     string  `json:"name"`
	Store    string  `json:"store,omitempty"`
	Users    int     `json:"users"`
	Unit     string  `json:"unit,omitempty"`
	Value    float64 `json:"value"`
	Floor    float64 `json:"floor,omitempty"`
	CPU      float64 `json:"cpu,omitempty"`       // seconds of the processor, of rosterd alone
	FloorCPU float64 `json:"floor_cpu,omitempty"` // likewise
	Target   float64 `json:"target"`
	Date     string  `json:"date,omitempty"` // of the measurement
	Note     string  `json:"note,omitempty"`
}

func seconds(name, store string, users int, c, floor cost, target float64) row {
	return row{
		Name: name, Store: store, Users: users, Unit: "s", Value: c.Took.Seconds(), Floor: floor.Took.Seconds(),
		CPU: c.CPU.Seconds(), FloorCPU: floor.CPU.Seconds(), Target: target,
	}
}

func memory(name, store string, users int, peak, floor int64) row {
	const mib = 1 << 20
	return row{
		Name: name, Store: store, Users: users, Unit: "MiB", Value: float64(peak) / mib, Floor: float64(floor) / mib,
		Target: maxPeak / mib, Note: "the floor is a download's",
	}
}

func (r row) key() string { return fmt.Sprintf("%s/%s/%d", r.Name, r.Store, r.Users) }

func (r row) ratio() float64 {
	if r.Floor == 0 {
		return 0
	}
	return r.Value / r.Floor
}

// relative reports whether the target is of the ratio.
func (r row) relative() bool { return r.Unit == "s" }

func (r row) met() bool {
	if r.relative() {
		return r.ratio() <= r.Target
	}
	return r.Value <= r.Target
}

// cells are the row as the table shows it.
func (r row) cells() []string {
	c := []string{r.Name, r.Store, fmt.Sprint(r.Users), strings.TrimSpace(number(r.Value) + " " + r.Unit), "", "", "", ""}
	if r.Floor > 0 {
		c[4], c[5] = number(r.Floor)+" "+r.Unit, number(r.ratio())
	}
	if r.Unit == "ms" && r.Target == 0 { // no target
		return c
	}
	c[6] = "≤ " + number(r.Target)
	if r.relative() {
		c[6] += " ×"
	}
	c[7] = "yes"
	if !r.met() {
		c[7] = "no"
	}
	return c
}

func number(v float64) string {
	switch {
	case v == float64(int64(v)):
		return fmt.Sprint(int64(v))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// change says how the row compares with a stored one: its ratio where it has a
// floor, its value otherwise.
func (r row) change(stored *results) string {
	i := slices.IndexFunc(stored.Rows, func(o row) bool { return o.key() == r.key() })
	if i < 0 {
		return "new"
	}
	now, was := r.Value, stored.Rows[i].Value
	if r.relative() {
		now, was = r.ratio(), stored.Rows[i].ratio()
	}
	if now == was {
		return "="
	}
	if was == 0 {
		return "was 0"
	}
	return fmt.Sprintf("%+.0f %%", (now/was-1)*100)
}

func (r row) line(stored *results) string {
	c := r.cells()
	text := fmt.Sprintf("%-30s %-9s %8s users  %10s  floor %10s  ratio %5s  target %-10s %-4s %s", c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], r.change(stored))
	if r.CPU > 0 {
		text += fmt.Sprintf("   cpu %.2f s, floor %.2f s, ratio %.2f", r.CPU, r.FloorCPU, r.CPU/max(r.FloorCPU, 0.01))
	} else if r.Note != "" {
		text += "   " + r.Note
	}
	return text
}

// results are what a run of this program found.
type results struct {
	Machine string  `json:"machine"`
	Rows    []row   `json:"rows"`
	Faults  []fault `json:"faults,omitempty"`
}

func machine() string {
	return fmt.Sprintf("%s, %s/%s, %d cores", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
}

func readResults() (*results, error) {
	r := &results{}
	text, err := os.ReadFile(resultsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the stored results: %w", err)
	}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read the stored results: %w", err)
	}
	return r, nil
}

// table is Markdown.
func (r *results) table(stored *results) string {
	var b strings.Builder
	b.WriteString("| row | store | users | measured | floor | ratio | target | met | change |\n|---|---|--:|--:|--:|--:|--:|---|--:|\n")
	for _, row := range r.Rows {
		b.WriteString("| " + strings.Join(append(row.cells(), row.change(stored)), " | ") + " |\n")
	}
	return b.String()
}

// missing says of which stores and sizes no sync was ever stored; "" if of none.
func (r *results) missing() string {
	var list []string
	for _, store := range []string{sqlite, postgres} {
		for _, users := range []int{10_000, 100_000, bigSize} {
			if !slices.ContainsFunc(r.Rows, func(o row) bool {
				return (o.Name == nameNothing || o.Name == nameREST) && o.Store == store && o.Users == users
			}) {
				list = append(list, fmt.Sprintf("%s with %d users", store, users))
			}
		}
	}
	if len(list) == 0 {
		return ""
	}
	return " Not measured yet: " + strings.Join(list, ", ") + "."
}

//go:embed page.md
var page string

// keep stores the results, and those stored before of rows not measured now.
func (r *results) keep(stored *results) error {
	today := time.Now().UTC().Format(time.DateOnly)
	for i := range r.Rows {
		r.Rows[i].Date = today
	}
	shown := *r
	for _, old := range stored.Rows {
		if !slices.ContainsFunc(r.Rows, func(n row) bool { return n.key() == old.key() }) {
			shown.Rows = append(shown.Rows, old)
		}
	}
	slices.SortStableFunc(shown.Rows, func(a, b row) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		if c := strings.Compare(b.Store, a.Store); c != 0 { // SQLite first
			return c
		}
		return a.Users - b.Users
	})
	for i := range r.Faults {
		r.Faults[i].Date = today
	}
	shown.Faults = slices.Clone(r.Faults)
	for _, old := range stored.Faults {
		if !slices.ContainsFunc(r.Faults, func(n fault) bool { return n.key() == old.key() }) {
			shown.Faults = append(shown.Faults, old)
		}
	}
	slices.SortStableFunc(shown.Faults, func(a, b fault) int {
		if c := strings.Compare(b.Store, a.Store); c != 0 { // SQLite first
			return c
		}
		return a.place() - b.place()
	})
	text, err := json.MarshalIndent(shown, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(resultsFile, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("store the results: %w", err)
	}
	var b strings.Builder
	b.WriteString("| row | store | users | measured | floor | ratio | target | met | besides | date |\n|---|---|--:|--:|--:|--:|--:|---|---|---|\n")
	for _, row := range shown.Rows {
		besides := row.Note
		if row.CPU > 0 {
			besides = "processor " + fmt.Sprintf("%s s, floor %s s", number(row.CPU), number(row.FloorCPU))
		}
		b.WriteString("| " + strings.Join(append(row.cells(), besides, row.Date), " | ") + " |\n")
	}
	out := strings.NewReplacer("{{machine}}", r.Machine, "{{missing}}", shown.missing(), "{{table}}\n", b.String(), "{{faults}}\n", shown.faultTable()).Replace(page)
	if err := os.WriteFile(pageFile, []byte(out), 0o644); err != nil {
		return fmt.Errorf("write the results page: %w", err)
	}
	return nil
}
