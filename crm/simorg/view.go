package simorg

import (
	"maps"
	"slices"
	"sort"
)

// view is the content of the org at one moment. The live view changes under Org.mu; a clone never does.
type view struct {
	o      *Org
	n      int             // user rows
	over   map[int32]*User // rows that differ from the generated ones; never changed in place
	frozen map[int32]*login
	small  [smallTables][][]value
	hide   func(u *User) bool
}

// login is a UserLogin row that differs from the generated one.
type login struct {
	frozen, locked bool
	modified       int64
}

// isHidden reports whether u marks a row that is inserted but not committed.
func isHidden(u *User) bool { return u != nil && u.ID == "" }

func (v *view) clone() *view {
	c := *v
	c.over, c.frozen = maps.Clone(v.over), maps.Clone(v.frozen)
	return &c
}

// row is a cursor on one row of a table.
type row struct {
	v    *view
	t    *table
	i    int
	u    *User   // of a user, once built
	vals []value // of a small table
}

// count is the number of row numbers of the table; not all of them need be alive.
func (v *view) count(t *table) int {
	if t.small >= 0 {
		return len(v.small[t.small])
	}
	return v.n
}

// at moves r to row i and reports whether that row exists and is visible.
func (v *view) at(t *table, i int, r *row) bool {
	*r = row{v: v, t: t, i: i}
	switch {
	case t.small >= 0:
		r.vals = v.small[t.small][i]
		return true
	case t == v.o.users:
		if u, ok := v.over[int32(i)]; ok {
			r.u = u
			if isHidden(u) {
				return false
			}
		}
		return v.hide == nil || !v.hide(r.user())
	default:
		if v.hide != nil || isHidden(v.over[int32(i)]) {
			var user row
			if !v.at(v.o.users, i, &user) {
				return false
			}
		}
		return v.hasLogin(i)
	}
}

func (r *row) user() *User {
	if r.u == nil {
		r.u = r.v.o.gen.user(r.i)
	}
	return r.u
}

func (r *row) get(f *field) value {
	switch {
	case r.vals != nil:
		return r.vals[f.col]
	case r.t == r.v.o.logins:
		return r.v.loginCell(r.i, f.name)
	case r.u == nil && f.quick != nil:
		return f.quick(r.v.o, r.i)
	default:
		return f.get(r.user())
	}
}

// lastLogin is when user row i last logged in, in Unix seconds, or zero.
func (v *view) lastLogin(i int) int64 {
	if u, edited := v.over[int32(i)]; edited {
		if u.LastLoginDate.IsZero() {
			return 0
		}
		return u.LastLoginDate.Unix()
	}
	return v.o.gen.lastLogin(i)
}

// hasLogin reports whether there is a UserLogin of user row i: those who never logged in have none.
func (v *view) hasLogin(i int) bool {
	if _, edited := v.frozen[int32(i)]; edited {
		return true
	}
	return v.lastLogin(i) != 0
}

// loginCell is one field of the UserLogin of user row i.
func (v *view) loginCell(i int, name string) value {
	g := &v.o.gen
	l, edited := v.frozen[int32(i)]
	switch name {
	case "Id":
		return textValue(makeID("0Yw", g.number(i)))
	case "UserId":
		return textValue(g.id(i))
	case "IsFrozen":
		if edited {
			return boolValue(l.frozen)
		}
		return boolValue(i < g.n && g.frozen(i))
	case "IsPasswordLocked":
		return boolValue(edited && l.locked)
	case "LastModifiedDate":
		if edited {
			return secondsValue(l.modified)
		}
		return secondsValue(min(v.lastLogin(i), g.epoch))
	default:
		return textValue(g.admin)
	}
}

// find is the row number of an id in its 18-character form, whatever is visible.
func (v *view) find(t *table, id string) (int, bool) {
	switch {
	case t.small >= 0:
		i, ok := v.o.rowOf[t.small][id]
		return i, ok
	case t == v.o.users:
		i, ok := v.o.gen.index(id)
		return i, ok && i < v.n
	default:
		n, ok := idCounter("0Yw", id)
		if !ok || n < idBase {
			return 0, false
		}
		i := int((n - idBase) / idStride)
		return i, i < v.n && v.o.gen.number(i) == n
	}
}

// firstFrom is the lowest row of users (or their logins) of which the id is above id (or at it, with equal).
func (v *view) firstFrom(t *table, id string, equal bool) int {
	id15 := id[:min(15, len(id))]
	return sort.Search(v.n, func(i int) bool {
		mine := makeID(t.prefix, v.o.gen.number(i))[:15]
		return mine > id15 || equal && mine == id15
	})
}

// stampedIn lists the edited rows whose current SystemModstamp lies in [from, to), ascending and once each. Only the
// live view has the log.
func (o *Org) stampedInLocked(from, to int64) []int32 {
	lo := sort.Search(len(o.log), func(k int) bool { return o.log[k].sec >= from })
	var rows []int32
	for _, e := range o.log[lo:] {
		if e.sec >= to {
			break
		}
		if u := o.live.over[e.i]; u != nil && u.SystemModstamp.Unix() == e.sec {
			rows = append(rows, e.i)
		}
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}
