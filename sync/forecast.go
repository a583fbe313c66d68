package sync

import (
	"fmt"
	"math"
	"time"
)

// Levels of the quota, from plenty to none.
const (
	levelNormal    = "normal"
	levelStretched = "stretched"    // polls come more rarely than is wished, so that what is left lasts
	levelLeavers   = "leavers_only" // no full sync is begun: the rest is for finding leavers
	levelExhausted = "exhausted"
	levelUnknown   = "unknown"
)

// QuotaStatus is how the API quota stands. -1 means unknown.
type QuotaStatus struct {
	Used       int       `json:"used"`        // by all apps of the org, last 24 hours
	Max        int       `json:"max"`         // the org's daily limit
	Ours       int       `json:"ours"`        // our calls in the last 24 hours
	Budget     int       `json:"budget"`      // our own limit; 0 for none
	BudgetLeft int       `json:"budget_left"` // what routine work may still spend
	Reserve    int       `json:"reserve"`     // left to the org's other apps
	Level      string    `json:"level"`       // normal, stretched, leavers_only, exhausted, unknown
	PollEvery  string    `json:"poll_every"`
	At         time.Time `json:"at,omitzero"` // when Salesforce last told

	// What follows is told where the quota itself is asked for.
	Others     int            `json:"others,omitempty" doc:"calls of other apps in the last 24 hours, estimated"`
	Overridden int            `json:"overridden,omitempty" doc:"of our calls, those that only a person's override allowed"`
	PollWish   string         `json:"poll_wish,omitempty" doc:"how often changes shall be looked for"`
	Work       []QuotaWork    `json:"work,omitempty" nullable:"false" doc:"what calls are spent on, in order of worth"`
	Forecast   *QuotaForecast `json:"forecast,omitempty"`
	Hours      []QuotaHour    `json:"hours,omitempty" nullable:"false" doc:"the last 24 hours, the current one last"`
	Why        []string       `json:"why,omitempty" nullable:"false" doc:"how it stands, in plain words"`
}

// QuotaWork is how one kind of work stands.
type QuotaWork struct {
	Kind    string    `json:"kind" enum:"leavers,request,changes,full"`
	Cost    int       `json:"cost" doc:"calls that a run takes, learned from the last ones"`
	Floor   int       `json:"floor" doc:"calls that must be left for what is worth more"`
	Left    int       `json:"left" doc:"calls that it may still spend; -1 without a limit"`
	State   string    `json:"state" enum:"runs,stretched,stops"`
	StopsAt time.Time `json:"stops_at,omitzero" doc:"when it stops if calls are spent as lately"`
}

// QuotaForecast is what comes if calls are spent on as in the last hours.
type QuotaForecast struct {
	Ours        int       `json:"ours_per_hour" doc:"without full syncs, which are counted at their time"`
	Others      int       `json:"others_per_hour"`
	ExhaustedAt time.Time `json:"exhausted_at,omitzero" doc:"when routine work makes its last call, within 24 hours"`
	FreesAt     time.Time `json:"frees_at,omitzero" doc:"when calls are next older than 24 hours, and thus free again"`
	Frees       int       `json:"frees,omitempty" doc:"how many do within that hour"`
	BackAt      time.Time `json:"back_at,omitzero" doc:"where nothing is left: when routine work can go on"`
}

// QuotaHour is the calls of an hour.
type QuotaHour struct {
	At     time.Time `json:"at"`
	Ours   int       `json:"ours"`
	Others int       `json:"others" doc:"estimated"`
}

// status describes the quota, given how often changes shall be looked for.
func (g *governor) status(wish time.Duration) QuotaStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.statusLocked(wish)
}

func (g *governor) statusLocked(wish time.Duration) QuotaStatus {
	left, _ := g.leftLocked(0)
	every := g.everyLocked(wish)
	s := QuotaStatus{
		Used: -1, Max: -1, Budget: g.budget.CallsPerDay, BudgetLeft: max(left, 0), Reserve: g.reserveLocked(), At: g.at,
		PollEvery: every.String(), Level: g.levelLocked(every > wish),
	}
	for h, n := range g.ours {
		if h >= hourOf(g.nowLocked())-24 {
			s.Ours += int(n)
		}
	}
	if left == unlimited {
		s.BudgetLeft = -1
	}
	if g.max > 0 {
		s.Used, s.Max = g.used, g.max
	}
	return s
}

func (g *governor) levelLocked(stretched bool) string {
	left, _ := g.leftLocked(0)
	full, _ := g.leftLocked(floors[workFull])
	switch {
	case left == unlimited:
		return levelUnknown
	case left <= 0:
		return levelExhausted
	case full <= 0:
		return levelLeavers
	case stretched:
		return levelStretched
	}
	return levelNormal
}

// explain describes the quota with what it comes from and what will come of it.
// events says that change events tell of changes.
func (g *governor) explain(wish time.Duration, full time.Time, cost func(Kind) int, events bool) QuotaStatus {
	costs := map[work]int{}
	for w, kind := range map[work]Kind{workLeavers: KindChanges, workRequest: KindUser, workChanges: KindChanges, workFull: KindFull} {
		costs[w] = cost(kind)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s, now := g.statusLocked(wish), g.nowLocked()
	s.PollWish = wish.String()
	s.Others = int(math.Round(rolling(g.others, now, 24)))
	s.Overridden = int(math.Round(rolling(g.beyond, now, 24)))
	for h := hourOf(now) - 23; h <= hourOf(now); h++ {
		s.Hours = append(s.Hours, QuotaHour{time.Unix(h*3600, 0).UTC(), int(g.ours[h]), int(g.others[h])})
	}
	c := g.courseLocked(full, float64(costs[workFull]))
	s.Forecast = &QuotaForecast{
		Ours: int(math.Round(c.ours)), Others: int(math.Round(c.others)), ExhaustedAt: c.below(0, 1),
	}
	s.Forecast.FreesAt, s.Forecast.Frees = c.frees()
	if s.Level == levelExhausted {
		s.Forecast.ExhaustedAt, s.Forecast.BackAt = time.Time{}, c.back()
	}
	for _, w := range []work{workLeavers, workRequest, workChanges, workFull} {
		left, _ := g.leftLocked(floors[w])
		one := QuotaWork{Kind: w.String(), Cost: costs[w], Left: max(left, 0), State: "runs", StopsAt: c.below(floors[w], costs[w])}
		if tight := c.tight(floors[w]); tight != nil {
			one.Floor = int(floors[w] * tight.limit)
		}
		switch {
		case left == unlimited:
			one.Left = -1
		case left < costs[w]:
			one.State, one.StopsAt = "stops", time.Time{}
		case w == workChanges && s.PollEvery != s.PollWish:
			one.State = "stretched"
		}
		s.Work = append(s.Work, one)
	}
	s.Why = s.words(now.Sub(g.refused) < refusedFor, g.mute > 0 && now.Sub(g.at) > tellAgain)
	if events && s.Level != levelExhausted {
		looks, _ := g.leftLocked(floors[workLooks])
		s.Why = append(s.Why, ofEvents(g.paceLocked(), looks))
	}
	return s
}

// words says how it stands as one would to a colleague. Times are left to those
// who know the listener's zone.
func (s *QuotaStatus) words(refused, silent bool) []string {
	var say []string
	add := func(format string, args ...any) { say = append(say, fmt.Sprintf(format, args...)) }
	if s.Max > 0 {
		add("Other apps make about %d API calls an hour in this org, and rosterd about %d.", s.Forecast.Others, s.Forecast.Ours)
	}
	if refused {
		add("Salesforce has just refused a call because the org's API calls are used up: rosterd makes none for some minutes.")
	}
	if silent {
		add("Salesforce's answers do not tell how many calls are used, so rosterd asks once an hour.")
	}
	full := s.Work[len(s.Work)-1]
	switch s.Level {
	case levelUnknown:
		add("There is no budget, and Salesforce has not told the org's limit yet: nothing is held back.")
	case levelNormal:
		add("Everything runs as often as it is configured: changes are looked for every %s.", s.PollEvery)
	case levelExhausted:
		add("Routine work has spent all that it may, so nothing is read from Salesforce by itself: people who leave are found when calls are free again. A person can go on with an override and a reason.")
	default:
		if s.PollEvery != s.PollWish {
			add("Changes are looked for every %s instead of every %s, so that the calls that are left last until others free.", s.PollEvery, s.PollWish)
		}
	}
	if full.State == "stops" && s.Level != levelExhausted {
		add("No full sync begins by itself: one takes about %s and must leave %d for finding people who leave.", calls(full.Cost), full.Floor)
	}
	if s.Overridden > 0 {
		add("Beyond that, because a person said so, rosterd made %s within the last 24 hours.", calls(s.Overridden))
	}
	return say
}

// ofEvents says what change events and the looks beside them get.
func ofEvents(p pace, looks int) string {
	switch {
	case looks <= 0:
		return "What is left is for people who may be leaving, as change events tell: nothing else is read by itself."
	case p.changes >= time.Minute:
		return fmt.Sprintf("Change events tell of changes as they happen. Who may be leaving is read back within about %s; others wait up to %s.",
			max(p.leavers, time.Second).Round(time.Second), p.changes.Round(time.Minute))
	}
	return "Change events tell of changes as they happen; the looks for changes only make sure of that."
}

// course is how the limits will stand in the coming day.
type course struct {
	rooms        []room
	now          time.Time
	ours, others float64 // calls an hour
	full         float64 // calls of the next full sync, and in how many hours that is
	fullIn       float64
}

func (g *governor) courseLocked(full time.Time, cost float64) course {
	now := g.nowLocked()
	c := course{rooms: g.roomsLocked(), now: now, others: rolling(g.others, now, 3) / 3, full: cost, fullIn: full.Sub(now).Hours()}
	span := min(3, max(now.Sub(g.began).Hours(), 0.25))
	c.ours = max(0, rolling(g.ours, now, 3)-rolling(g.fulls, now, 3)) / span
	return c
}

// at is a time so many hours from now, to the minute.
func (c *course) at(hours float64) time.Time {
	return c.now.Add(time.Duration(hours * float64(time.Hour))).Truncate(time.Minute)
}

// below returns when fewer than need calls will be left above a floor, or the
// zero time if that is not within a day.
func (c *course) below(floor float64, need int) time.Time {
	first := math.Inf(1)
	for _, r := range c.rooms {
		have, burn, from := r.left-math.Floor(floor*r.limit)-float64(need), c.ours+r.drain, 0.0
		for i, free := range r.frees {
			to := float64(i) + 1 - part(c.now)
			if from <= c.fullIn && c.fullIn < to {
				have -= c.full
			}
			if have < burn*(to-from) {
				first = min(first, from+max(have, 0)/max(burn, 1e-9))
				break
			}
			have, from = have-burn*(to-from)+free, to
		}
	}
	if first > 24 {
		return time.Time{}
	}
	return c.at(first)
}

// tight returns the limit that leaves least to work with a floor, or nil where
// there is none.
func (c *course) tight(floor float64) (tight *room) {
	for i := range c.rooms {
		if r := &c.rooms[i]; tight == nil || r.left-floor*r.limit < tight.left-floor*tight.limit {
			tight = r
		}
	}
	return tight
}

// frees returns when calls come free next under the tightest limit, and how
// many.
func (c *course) frees() (at time.Time, n int) {
	tight := c.tight(0)
	if tight == nil {
		return time.Time{}, 0
	}
	for i, free := range tight.frees {
		if n = int(math.Round(free)); n > 0 {
			return c.at(float64(i) + 1 - part(c.now)), n
		}
	}
	return time.Time{}, 0
}

// back returns when something is left again if only others go on.
func (c *course) back() time.Time {
	last := 0.0
	for _, r := range c.rooms {
		have, back := r.left, math.Inf(1)
		for i, free := range r.frees {
			if have >= 1 {
				back = max(0, float64(i)-part(c.now))
				break
			}
			have += free - r.drain
		}
		last = max(last, back)
	}
	if math.IsInf(last, 1) {
		return time.Time{}
	}
	return c.at(last)
}
