package config

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	rostersync "github.com/rosterd/rosterd/sync"
)

const (
	minPoll  = 10 * time.Second // 8,640 calls a day: more often than this eats the quota of most orgs
	maxPoll  = 24 * time.Hour
	maxAfter = 90 * 24 * time.Hour
	maxSeats = 10_000_000
	fewCalls = 10
)

var licenseType = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func (c *checker) org(path string, f *fileOrg) {
	o := Org{Name: f.Name}
	s := &o.Sync
	s.Org = f.Name
	s.Zone = c.zone(path+".time_zone", f.TimeZone)
	if s.Zone != nil {
		c.schedule(path, f, s)
	}
	if d := f.Schedule.Poll; d < minPoll || d > maxPoll {
		c.fail(path+".schedule.poll", "choose from 10s to 24h; 1m is usual", "%s is out of range", d)
	}
	s.Poll = f.Schedule.Poll
	c.oneOf(path+".enrollment", f.Enrollment, "automatic", "selected")
	s.Enrollment = rostersync.Enrollment(f.Enrollment)
	c.oneOf(path+".match", f.Match, "email", "username")
	s.Match = dialer.Field(f.Match)
	c.oneOf(path+".frozen", f.Frozen, "deactivate", "ignore")
	s.Frozen = rostersync.Frozen(f.Frozen)
	c.oneOf(path+".on_no_seat", f.OnNoSeat, "reject", "create_inactive", "waitlist")
	s.OnNoSeat = dialer.OnNoSeat(f.OnNoSeat)
	c.guard(path+".guard", f.Guard, s)
	c.licenses(path+".licenses", f.Licenses, s)
	c.targets(path+".targets", f.Targets)
	s.Policy = c.policy(path, f)
	b := f.Salesforce.Budget
	between(c, path+".salesforce.budget.calls_per_day", b.CallsPerDay, 0, 100_000_000, "; 0 means no budget of our own")
	if b.CallsPerDay > 0 && b.CallsPerDay < fewCalls {
		c.warn(path+".salesforce.budget.calls_per_day", "%d calls may not be enough for a single full sync, which takes about 6 and one for every 2,000 users", b.CallsPerDay)
	}
	between(c, path+".salesforce.budget.reserve_percent", b.ReservePercent, 0, 95, "")
	s.Budget = rostersync.Budget{CallsPerDay: b.CallsPerDay, ReservePercent: b.ReservePercent}
	s.Snapshot = rostersync.Snapshot(f.Salesforce.Snapshot)
	o.Salesforce = c.salesforce(path+".salesforce", &f.Salesforce)
	c.stream(path+".salesforce", &f.Salesforce, &o)
	o.Salesforce.Prefilter = f.Prefilter
	if err := crm.CheckCondition(f.Prefilter); err != nil {
		c.fail(path+".prefilter", hintOf(err), "%s", err)
	}
	if s.Policy != nil {
		o.Salesforce.CustomFields = s.Policy.Custom()
	}
	o.Hooks = c.hooks(path, f)
	if f.SecretKeyFile != "" {
		o.SecretKey = c.secret(path+".secret_key_file", f.SecretKeyFile)
	}
	c.config.Orgs = append(c.config.Orgs, o)
}

func (c *checker) zone(key, name string) *time.Location {
	const remedy = "use a name of the IANA time zone database, such as America/Denver or Europe/Berlin"
	if name == "" || name == "Local" {
		c.fail(key, remedy, "the time zone must not depend on the machine")
		return nil
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		c.fail(key, remedy, "%q is not a time zone", printable(name))
		return nil
	}
	return z
}

// schedule reads what is told in the org's local time.
func (c *checker) schedule(path string, f *fileOrg, s *rostersync.Config) {
	var err error
	if s.Full, err = rostersync.ParseSchedule(f.Schedule.Full, s.Zone); err != nil {
		remedy := `write minute, hour, day, month, weekday: "0 0 * * *" is every midnight`
		if strings.Contains(err.Error(), "never fires") {
			remedy = "choose a date that exists"
		}
		c.fail(path+".schedule.full", remedy, "%s", err)
	}
	s.Leaving, err = rostersync.ParseLeaving(f.Deactivate, s.Zone)
	switch {
	case err != nil:
		c.fail(path+".deactivate", "write next_midnight, immediate, or after: with hours, such as after:24h", "%q is not a time to leave", printable(f.Deactivate))
	case s.Leaving.After > maxAfter:
		c.fail(path+".deactivate", "choose at most after:2160h, which is 90 days", "people who left would keep access for %s", s.Leaving.After)
	}
}

func (c *checker) guard(key string, f fileGuard, s *rostersync.Config) {
	between(c, key+".users", f.Users, 0, maxSeats, "; 0 switches this limit off")
	between(c, key+".percent", f.Percent, 0, 100, "; 0 switches this limit off")
	if f.Window < time.Minute || f.Window > 30*24*time.Hour {
		c.fail(key+".window", "choose from 1m to 720h; 24h is usual", "%s is out of range", f.Window)
	}
	if f.Users == 0 && f.Percent == 0 {
		c.warn(key, "both limits are off, so nothing holds back a mass deactivation")
	}
	s.Guard = rostersync.Guard{Users: f.Users, Percent: f.Percent, Window: f.Window}
}

func (c *checker) licenses(key string, fs []fileLicense, s *rostersync.Config) {
	if len(fs) == 0 {
		c.fail(key, "add the types bought: licenses: [{type: powerdialer, seats: 500, default: true}]", "no license is configured, so nobody could get a seat")
		return
	}
	seen, defaults := map[string]bool{}, 0
	for i, f := range fs {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case !c.given(at + ".type"):
			c.fail(at+".type", "name the product, such as powerdialer", "the license has no type")
		case !licenseType.MatchString(f.Type):
			c.fail(at+".type", "use lower-case letters, digits, - and _, such as powerdialer", "not a name for a license type")
		case seen[f.Type]:
			c.fail(at+".type", "add the seats up in one item", "%q is listed twice", f.Type)
		}
		seen[f.Type] = true
		switch {
		case !c.given(at + ".seats"):
			c.fail(at+".seats", "say how many were bought", "the license has no number of seats")
		default:
			between(c, at+".seats", f.Seats, 0, maxSeats, "")
		}
		if f.Default {
			defaults++
		}
		s.Licenses = append(s.Licenses, dialer.License{
			Type: f.Type, Purchased: int64(f.Seats), Default: f.Default, RequiresSalesforce: f.RequiresSalesforce, NoCTI: f.NoCTI,
		})
	}
	if defaults == 0 {
		c.fail(key, "mark the type that new people get with default: true", "no license is the default")
	}
}

var (
	targetName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	rateForm   = regexp.MustCompile(`^[1-9][0-9]{0,4}/(s|m|h)$`)
)

// targets checks remote dialers as strictly as all else, then refuses them:
// this version keeps the built-in directory only, and must not let anyone
// believe that a remote one is kept too.
func (c *checker) targets(key string, fs []fileTarget) {
	seen := map[string]bool{}
	for i, f := range fs {
		at := fmt.Sprintf("%s[%d]", key, i)
		if !targetName.MatchString(f.Name) || seen[f.Name] {
			c.fail(at+".name", "give every target a short name of its own, in lower-case letters and digits", "not a name for a target")
		}
		seen[f.Name] = true
		c.oneOf(at+".driver", f.Driver, "scim")
		if err := checkURL(f.URL); err != "" {
			c.fail(at+".url", "write https://host/path; plain http is for loopback addresses only", "%s", err)
		}
		if f.Rate != "" && !rateForm.MatchString(f.Rate) {
			c.fail(at+".rate", "write calls per second, minute or hour, such as 4/s", "%q is not a rate", printable(f.Rate))
		}
	}
	if len(fs) > 0 {
		c.fail(key, "remove the targets: people are kept in the built-in directory", "targets are not available in this version")
	}
}

// hintOf returns what an error of a room below says about its remedy.
func hintOf(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}
