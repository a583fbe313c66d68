package simorg

// Tally counts the people of the org.
type Tally struct {
	Users            int // committed rows, system users among them
	Active           int
	ActiveSalesforce int // active standard users on the Salesforce license, frozen or not
	Frozen           int // active and frozen
}

// Tally counts everyone, as an administrator sees them.
func (o *Org) Tally() Tally {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settleLocked(o.now())
	v := o.live
	v.hide = nil
	salesforce := map[string]bool{}
	pt := o.smallTable(profiles)
	license := o.cell(licenses, "Name", "Salesforce", "Id")
	for _, p := range v.small[profiles] {
		salesforce[p[0].s] = p[pt.byName["userlicenseid"].col] == license
	}
	active, typ, profile := o.users.byName["isactive"], o.users.byName["usertype"], o.users.byName["profileid"]
	var t Tally
	var r row
	for i := range v.n {
		if !v.at(o.users, i, &r) {
			continue
		}
		t.Users++
		if r.get(active).n == 0 {
			continue
		}
		t.Active++
		if o.frozenLocked(i) {
			t.Frozen++
		}
		if r.get(typ).s == "Standard" && salesforce[r.get(profile).s] {
			t.ActiveSalesforce++
		}
	}
	return t
}
