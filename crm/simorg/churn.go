package simorg

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// ChurnKind says what happened to somebody.
type ChurnKind string

// What happens to people, and how often in a hundred.
const (
	Joined    ChurnKind = "joined"
	Moved     ChurnKind = "moved"   // another role, profile, manager or telephone
	Renamed   ChurnKind = "renamed" // another name and address
	Left      ChurnKind = "left"
	Returned  ChurnKind = "returned"
	Frozen    ChurnKind = "frozen"
	Thawed    ChurnKind = "unfrozen"
	LoggedIn  ChurnKind = "logged_in" // noise: only LastLoginDate and SystemModstamp move
	NoOneLeft ChurnKind = "none"      // nobody fits what was drawn
)

// ChurnEvent is one thing that happened.
type ChurnEvent struct {
	Kind ChurnKind `json:"kind"`
	ID   string    `json:"id"`
}

// Churn lets one thing happen to the people of the org, drawn from r: mostly they join, move and leave.
func (o *Org) Churn(r *rand.Rand) (ChurnEvent, error) {
	kind := NoOneLeft
	draw := r.IntN(100)
	for _, k := range []struct {
		kind ChurnKind
		upTo int
	}{{Joined, 25}, {Moved, 60}, {Renamed, 65}, {Left, 82}, {Returned, 87}, {Frozen, 90}, {Thawed, 93}, {LoggedIn, 100}} {
		if draw < k.upTo {
			kind = k.kind
			break
		}
	}
	if kind == Joined {
		return o.join(r)
	}
	id, ok := o.someone(r, kind)
	if !ok {
		return ChurnEvent{Kind: NoOneLeft}, nil
	}
	var err error
	switch kind {
	case Left:
		err = o.Deactivate(id)
	case Returned:
		err = o.Activate(id)
	case Frozen:
		err = o.Freeze(id)
	case Thawed:
		err = o.Unfreeze(id)
	case LoggedIn:
		err = o.Login(id)
	case Renamed:
		err = o.Update(id, func(u *User) { o.renamePerson(r, u) })
	default:
		err = o.Update(id, func(u *User) { o.movePerson(r, u) })
	}
	if err != nil {
		return ChurnEvent{}, fmt.Errorf("churn: %s: %w", kind, err)
	}
	return ChurnEvent{kind, id}, nil
}

func (o *Org) join(r *rand.Rand) (ChurnEvent, error) {
	n := o.userRows()
	person := *o.gen.user(o.gen.system() + n)
	u := person
	u.ID, u.IsActive, u.UserType, u.ContactID, u.AccountID = "", true, "Standard", "", ""
	u.ProfileID = o.gen.profil["Sales Rep"]
	u.UserRoleID = o.gen.roles[r.IntN(len(o.gen.roles))]
	local, _, _ := strings.Cut(u.Username, "@")
	u.Username = local + ".new" + strconv.Itoa(n) + "@acme.example"
	u.Email = local + "@new.example.com"
	u.CommunityNickname += "new"
	u.FederationIdentifier = u.Username
	u.LastLoginDate = unix(0)
	id, err := o.AddUser(u)
	if err != nil {
		return ChurnEvent{}, fmt.Errorf("churn: %s: %w", Joined, err)
	}
	return ChurnEvent{Joined, id}, nil
}

func (o *Org) userRows() int {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.live.n
}

// someone draws a person whom the kind of event can befall.
func (o *Org) someone(r *rand.Rand, kind ChurnKind) (string, bool) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	sys, n := o.gen.system(), o.live.n
	for range 400 {
		if n == sys {
			break
		}
		i := sys + r.IntN(n-sys)
		var at row
		if !o.live.at(o.users, i, &at) || at.get(o.users.byName["usertype"]).s != "Standard" {
			continue
		}
		active := at.get(o.users.byName["isactive"]).n == 1
		if active == (kind != Returned) && o.frozenLocked(i) == (kind == Thawed) {
			return o.gen.id(i), true
		}
	}
	return "", false
}

func (o *Org) movePerson(r *rand.Rand, u *User) {
	switch r.IntN(6) {
	case 0:
		u.UserRoleID = o.gen.roles[r.IntN(len(o.gen.roles))]
	case 1:
		u.ProfileID = o.gen.profil[[...]string{"Sales Rep", "Sales Manager", "Support Rep", "Standard User"}[r.IntN(4)]]
	case 2:
		u.ManagerID = o.gen.id(o.gen.system() + r.IntN(max(1, o.gen.n-o.gen.system())))
	case 3:
		u.Department, u.Title = departments[r.IntN(len(departments))], titles[r.IntN(len(titles))]
	case 4:
		pl := o.gen.pools[r.IntN(len(o.gen.pools))]
		u.Phone = digits(pl.phones[0], r.Uint64())
	default:
		u.Team, u.DialerEnabled = teams[r.IntN(len(teams))], !u.DialerEnabled
	}
}

func (o *Org) renamePerson(r *rand.Rand, u *User) {
	pl := o.gen.pools[r.IntN(len(o.gen.pools))]
	family := pl.family[r.IntN(len(pl.family))]
	u.LastName = family.native
	_, host, _ := strings.Cut(u.Email, "@")
	u.Email = family.ascii + "." + strings.ToLower(u.ID[9:15]) + strconv.Itoa(r.IntN(1000)) + "@" + host
}
