package dialer

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// User is an entry in the dialer's directory. Times are UTC with microseconds;
// a zero time means never. Groups are sorted by kind and name.
type User struct {
	ID           string // UUID, ours
	SalesforceID string // 18 characters, or empty for a local user

	Username         string // unique, case-folded
	Email            string // unique among active users, case-folded
	FirstName        string
	LastName         string
	DisplayName      string
	Title            string
	EmployeeNumber   string
	ManagerID        string // Salesforce id of the manager
	Phone            string
	Mobile           string
	Extension        string // digits, unique in the org, inactive users included
	VirtualExtension string // shares the numbers of Extension
	Timezone         string // IANA
	Language         string // BCP 47
	SystemRole       string // user, supervisor or admin
	Superuser        bool   // has all rights of an administrator
	Groups           []Group
	LicenseTypes     []string // seats held, sorted
	Settings         Settings
	Status           Status
	StatusReason     Reason
	AdminHold        bool      // deactivated by hand: the sync must not reactivate
	Protected        bool      // the sync never touches this user
	DeactivateAt     time.Time // when the user loses access; zero means not scheduled
	DeactivateWhy    Reason    // why, while DeactivateAt is set
	Origin           Origin
	MatchMethod      string // email, username or explicit; how the link was made
	IntegrationInfo  string // one of the Integration reasons

	Version   int64 // rises with every write; for optimistic concurrency
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt time.Time

	// SettledHash and SettledPolicy name the source row and the rules under
	// which the sync last found nothing more to do for this user. Any other
	// write clears them. They are the sync's bookkeeping, not part of identity.
	SettledHash   int64
	SettledPolicy int64
}

// Group is a named group of one kind, as a user is a member of it.
type Group struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

// Kind is a kind of group.
type Kind string

// The kinds of group. A user has exactly one permission group, at most one
// department and location, and any number of the others.
const (
	KindPermissionGroup Kind = "permission_group"
	KindRole            Kind = "role"
	KindDepartment      Kind = "department"
	KindLocation        Kind = "location"
	KindTag             Kind = "tag"
	KindSkillGroup      Kind = "skill_group"
	KindDesk            Kind = "desk"
	KindCampaign        Kind = "campaign"
	KindInitiative      Kind = "initiative"
	KindACD             Kind = "acd"
	KindAreaCodeGroup   Kind = "area_code_group"
	KindTemplate        Kind = "template"
)

// Kinds lists every kind of group.
func Kinds() []Kind {
	return []Kind{
		KindPermissionGroup, KindRole, KindDepartment, KindLocation, KindTag, KindSkillGroup,
		KindDesk, KindCampaign, KindInitiative, KindACD, KindAreaCodeGroup, KindTemplate,
	}
}

// Single reports whether a user is a member of at most one group of this kind.
func (k Kind) Single() bool {
	return k == KindPermissionGroup || k == KindDepartment || k == KindLocation
}

// In returns the names of the user's groups of one kind, sorted.
func (u *User) In(k Kind) []string {
	var names []string
	for _, g := range u.Groups {
		if g.Kind == k {
			names = append(names, g.Name)
		}
	}
	return names
}

// One returns the name of the user's first group of one kind, or "".
func (u *User) One(k Kind) string {
	for _, g := range u.Groups {
		if g.Kind == k {
			return g.Name
		}
	}
	return ""
}

// SetGroups makes names the user's only groups of kind k.
func (u *User) SetGroups(k Kind, names ...string) {
	u.Groups = slices.DeleteFunc(slices.Clone(u.Groups), func(g Group) bool { return g.Kind == k })
	for _, n := range names {
		if n != "" && !slices.Contains(u.Groups, Group{k, n}) {
			u.Groups = append(u.Groups, Group{k, n})
		}
	}
	slices.SortFunc(u.Groups, Group.Compare)
}

// Compare orders groups by kind, then name.
func (g Group) Compare(h Group) int {
	if c := strings.Compare(string(g.Kind), string(h.Kind)); c != 0 {
		return c
	}
	return strings.Compare(g.Name, h.Name)
}

// Key folds an e-mail address or user name for comparison: trimmed, NFC and
// case-folded, so that two spellings of one address are equal.
func Key(s string) string {
	s = strings.TrimSpace(s)
	ascii := true
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(s)
	}
	// Folding turns the letters of Cherokee into each other; lower case settles it.
	return norm.NFC.String(strings.ToLower(cases.Fold().String(norm.NFC.String(s))))
}
