package simorg

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// What an edit can be refused for.
var (
	ErrNotFound          = errors.New("no such record in the simulated org")
	ErrDuplicateUsername = errors.New("user name is taken in the simulated org")
)

// author is who changes something, and by which way: the user id and the changeOrigin of the event.
type author struct{ id, origin string }

// byHand is an administrator in Salesforce's own pages.
func (o *Org) byHand() author { return author{o.gen.admin, originByHand} }

// AddUser creates a user and returns the id. Username and LastName are required; what else a real org demands is
// filled in when empty. The user is created as given, active or not.
func (o *Org) AddUser(u User) (string, error) { return o.addUser(u, o.byHand()) }

func (o *Org) addUser(u User, by author) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	i, nu, err := o.prepareLocked(u, now, by.id)
	if err != nil {
		return "", err
	}
	o.putLocked(i, nu)
	o.bus.publish(now, by, []rowEdit{{is: nu}})
	return nu.ID, nil
}

// prepareLocked gives a new user its row, id and defaults. The row is hidden until it is put.
func (o *Org) prepareLocked(u User, now time.Time, by string) (int, *User, error) {
	if u.Username == "" || u.LastName == "" {
		return 0, nil, errors.New("add user: Username and LastName are required")
	}
	if _, taken := o.ownerLocked(u.Username); taken {
		return 0, nil, fmt.Errorf("add user: %w", ErrDuplicateUsername)
	}
	i := o.live.n
	local, _, _ := strings.Cut(u.Username, "@")
	nu := &u
	nu.ID = o.gen.id(i)
	nu.UserType = cmp.Or(u.UserType, "Standard")
	nu.ProfileID = cmp.Or(u.ProfileID, o.gen.profil["Sales Rep"])
	nu.Email = cmp.Or(u.Email, u.Username)
	nu.Alias = cmp.Or(u.Alias, local[:min(8, len(local))])
	nu.CommunityNickname = cmp.Or(u.CommunityNickname, "User"+strconv.Itoa(i))
	nu.TimeZoneSidKey = cmp.Or(u.TimeZoneSidKey, "America/Denver")
	nu.LocaleSidKey = cmp.Or(u.LocaleSidKey, "en_US")
	nu.LanguageLocaleKey = cmp.Or(u.LanguageLocaleKey, "en_US")
	nu.EmailEncodingKey = cmp.Or(u.EmailEncodingKey, "UTF-8")
	nu.CreatedByID = by
	nu.CreatedDate = second(now)
	o.stampLocked(nu, now, by)
	o.live.n++
	o.live.over[int32(i)] = &User{} // hidden
	o.names[strings.ToLower(u.Username)] = i
	return i, nu, nil
}

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func (o *Org) stampLocked(u *User, now time.Time, by string) {
	u.LastModifiedDate, u.SystemModstamp, u.LastModifiedByID = second(now), second(now), by
}

// putLocked makes u the content of row i and logs its stamp.
func (o *Org) putLocked(i int, u *User) {
	o.live.over[int32(i)] = u
	e := stamped{u.SystemModstamp.Unix(), int32(i)}
	at := len(o.log)
	if at > 0 && o.log[at-1].sec > e.sec {
		at = sort.Search(at, func(k int) bool { return o.log[k].sec > e.sec })
	}
	o.log = slices.Insert(o.log, at, e)
}

// ownerLocked finds the row that holds a user name.
func (o *Org) ownerLocked(username string) (int, bool) {
	username = strings.ToLower(username)
	if i, ok := o.names[username]; ok {
		return i, i >= 0
	}
	if username == strings.ToLower(o.opt.Username) {
		return 0, true
	}
	local, _, _ := strings.Cut(username, "@")
	p, err := strconv.ParseInt(local[strings.LastIndexByte(local, '.')+1:], 36, 32)
	i := int(p) + o.gen.system()
	if err != nil || p < 0 || i >= o.gen.n || o.gen.user(i).Username != username {
		return 0, false
	}
	if u, edited := o.live.over[int32(i)]; edited && strings.ToLower(u.Username) != username {
		return 0, false
	}
	return i, true
}

func (o *Org) findLocked(id string) (int, error) {
	full, ok := normalID(id)
	if ok {
		if i, found := o.live.find(o.users, full); found && !isHidden(o.live.over[int32(i)]) {
			return i, nil
		}
	}
	return 0, ErrNotFound
}

func (o *Org) userLocked(i int) *User {
	if u, ok := o.live.over[int32(i)]; ok {
		return u
	}
	return o.gen.user(i)
}

// changeLocked runs edit on a copy of the row and checks what the database would check.
func (o *Org) changeLocked(i int, edit func(u *User)) (was, is *User, err error) {
	old := o.userLocked(i)
	u := *old
	edit(&u)
	u.ID, u.CreatedDate, u.CreatedByID = old.ID, old.CreatedDate, old.CreatedByID
	if was, is := strings.ToLower(old.Username), strings.ToLower(u.Username); was != is {
		if _, taken := o.ownerLocked(is); taken || is == "" {
			return nil, nil, ErrDuplicateUsername
		}
		delete(o.names, was)
		o.names[is] = i
	}
	return old, &u, nil
}

// Update edits one user as an administrator would: LastModifiedDate and SystemModstamp become now, to the second.
// edit must not keep its argument, and cannot change the id or the creation.
func (o *Org) Update(id string, edit func(u *User)) error {
	return o.MassUpdate([]string{id}, edit)
}

// MassUpdate edits many users in one transaction: all of them get the same stamp, or none is changed.
func (o *Org) MassUpdate(ids []string, edit func(u *User)) error {
	return o.massUpdate(ids, o.byHand(), edit)
}

// UpdateAs is Update by another user, whom LastModifiedById names from then on.
func (o *Org) UpdateAs(by, id string, edit func(u *User)) error {
	return o.massUpdate([]string{id}, author{by, originByHand}, edit)
}

func (o *Org) massUpdate(ids []string, by author, edit func(u *User)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	rows := make([]int, 0, len(ids))
	edits := make([]rowEdit, 0, len(ids))
	seen := make(map[int]bool, len(ids))
	for _, id := range ids {
		i, err := o.findLocked(id)
		if err != nil {
			o.renameBackLocked(rows, edits)
			return fmt.Errorf("update user %s: %w", id, err)
		}
		if seen[i] {
			continue
		}
		seen[i] = true
		was, is, err := o.changeLocked(i, edit)
		if err != nil {
			o.renameBackLocked(rows, edits)
			return fmt.Errorf("update user %s: %w", id, err)
		}
		o.stampLocked(is, now, by.id)
		rows, edits = append(rows, i), append(edits, rowEdit{was, is})
	}
	for k, i := range rows {
		o.putLocked(i, edits[k].is)
	}
	o.bus.publish(now, by, edits)
	return nil
}

// renameBackLocked gives the user names back that a transaction had taken before it was refused.
func (o *Org) renameBackLocked(rows []int, edits []rowEdit) {
	for k, e := range slices.Backward(edits) {
		if was, is := strings.ToLower(e.was.Username), strings.ToLower(e.is.Username); was != is {
			delete(o.names, is)
			o.names[was] = rows[k]
		}
	}
}

// Deactivate ends the user's access.
func (o *Org) Deactivate(id string) error {
	return o.Update(id, func(u *User) { u.IsActive = false })
}

// Activate gives access again.
func (o *Org) Activate(id string) error {
	return o.Update(id, func(u *User) { u.IsActive = true })
}

// Freeze locks the user out. Only UserLogin changes: the User keeps its stamps.
func (o *Org) Freeze(id string) error { return o.setLogin(id, func(l *login) { l.frozen = true }) }

// Unfreeze undoes Freeze.
func (o *Org) Unfreeze(id string) error { return o.setLogin(id, func(l *login) { l.frozen = false }) }

func (o *Org) setLogin(id string, edit func(l *login)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	i, err := o.findLocked(id)
	if err != nil {
		return fmt.Errorf("update login of user %s: %w", id, err)
	}
	l := login{frozen: o.frozenLocked(i)}
	edit(&l)
	l.modified = now.Unix()
	o.live.frozen[int32(i)] = &l
	return nil
}

func (o *Org) frozenLocked(i int) bool {
	if l, ok := o.live.frozen[int32(i)]; ok {
		return l.frozen
	}
	return i < o.gen.n && o.gen.frozen(i)
}

// Frozen reports whether the user is frozen.
func (o *Org) Frozen(id string) (bool, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	i, err := o.findLocked(id)
	return err == nil && o.frozenLocked(i), err
}

// Login records a login: LastLoginDate and SystemModstamp move, LastModifiedDate does not.
func (o *Org) Login(id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	o.settleLocked(now)
	i, err := o.findLocked(id)
	if err != nil {
		return fmt.Errorf("log in user %s: %w", id, err)
	}
	u := *o.userLocked(i)
	u.LastLoginDate, u.SystemModstamp = second(now), second(now)
	o.putLocked(i, &u)
	if o.opt.LoginEvents {
		o.bus.publishLogin(now, &u)
	}
	return nil
}

// User reads one user as an administrator, who sees everyone.
func (o *Org) User(id string) (User, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settleLocked(o.now())
	i, err := o.findLocked(id)
	if err != nil {
		return User{}, err
	}
	return *o.userLocked(i), nil
}

// FieldsOf is a user by API field names: strings, booleans, numbers, times and nil.
func (o *Org) FieldsOf(u User) map[string]any {
	m := map[string]any{}
	for _, f := range o.users.all() {
		if v := f.get(&u); v.k != raw {
			m[f.name] = v.native()
		}
	}
	return m
}

// Users yields every committed user by id, as of the call.
func (o *Org) Users() iter.Seq[User] {
	o.mu.Lock()
	o.settleLocked(o.now())
	v := o.live.clone()
	o.mu.Unlock()
	v.hide = nil
	return func(yield func(User) bool) {
		var r row
		for i := range v.n {
			if v.at(o.users, i, &r) && !yield(*r.user()) {
				return
			}
		}
	}
}

// Len is the number of committed users, system users among them.
func (o *Org) Len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settleLocked(o.now())
	n := o.live.n
	for _, u := range o.live.over {
		if isHidden(u) {
			n--
		}
	}
	return n
}

// ProfileID and RoleID find a profile and a role by the name it has now; empty when there is none.
func (o *Org) ProfileID(name string) string { return o.idByName(profiles, name) }

// RoleID finds a role by the name it has now; empty when there is none.
func (o *Org) RoleID(name string) string { return o.idByName(roles, name) }

func (o *Org) idByName(t int, name string) string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.cell(t, "Name", name, "Id").s
}

// RenameProfile renames a profile, and touches no user.
func (o *Org) RenameProfile(id, name string) error { return o.rename(profiles, id, name) }

// RenameRole renames a role, and touches no user.
func (o *Org) RenameRole(id, name string) error { return o.rename(roles, id, name) }

func (o *Org) rename(t int, id, name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	full, _ := normalID(id)
	i, ok := o.rowOf[t][full]
	if !ok {
		return fmt.Errorf("rename %s: %w", id, ErrNotFound)
	}
	tab := o.smallTable(t)
	r := slices.Clone(o.live.small[t][i])
	at := timeValue(second(o.now()))
	r[tab.byName["name"].col] = textValue(name)
	r[tab.byName["lastmodifieddate"].col], r[tab.byName["systemmodstamp"].col] = at, at
	rows := slices.Clone(o.live.small[t])
	rows[i] = r
	o.live.small[t] = rows
	return nil
}
