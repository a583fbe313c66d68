package sync

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rosterd/rosterd/crm"
	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// digest is a 64-bit FNV-1a sum, written without allocating.
type digest uint64

const digestStart digest = 14695981039346656037

func (h digest) text(s string) digest {
	for i := range len(s) {
		h = (h ^ digest(s[i])) * 1099511628211
	}
	return (h ^ 0xff) * 1099511628211 // no text contains 0xff: fields cannot run together
}

func (h digest) flag(b bool) digest {
	if b {
		return h.text("1")
	}
	return h.text("0")
}

// hashUser sums up all that a mirror row holds of a user except the stamps,
// which Salesforce moves for reasons that concern nobody, such as a login.
func hashUser(u *crm.User, frozen bool) int64 {
	h := digestStart
	for _, s := range [...]string{
		u.Username, u.Email, u.FirstName, u.LastName, u.Name, u.Alias, u.UserType,
		u.ProfileID, u.Profile.Name, u.Profile.UserLicense.Name, u.UserRoleID, u.UserRole.Name, u.UserRole.DeveloperName,
		u.ManagerID, u.Manager.Name, u.Manager.Email, u.Department, u.Division, u.Title, u.CompanyName,
		u.EmployeeNumber, u.FederationIdentifier, u.Phone, u.MobilePhone, u.Extension,
		u.City, u.State, u.StateCode, u.PostalCode, u.Country, u.CountryCode,
		u.TimeZoneSidKey, u.LocaleSidKey, u.LanguageLocaleKey, u.CallCenterID,
	} {
		h = h.text(s)
	}
	h = h.flag(u.IsActive).flag(u.CallCenterAutoLogin).flag(frozen)
	if len(u.Custom) > 0 {
		for _, k := range slices.Sorted(maps.Keys(u.Custom)) {
			h = h.text(k).text(fmt.Sprint(u.Custom[k]))
		}
	}
	if h == 0 {
		h = 1 // 0 means never settled
	}
	return int64(h & math.MaxInt64)
}

// rowOf is a user as the mirror keeps it.
func rowOf(u *crm.User, frozen bool, hash int64, read time.Time) (store.MirrorRow, error) {
	doc, err := json.Marshal(u)
	if err != nil {
		return store.MirrorRow{}, fmt.Errorf("write down user %s: %w", u.ID, err)
	}
	return store.MirrorRow{
		ID: u.ID, UsernameKey: dialer.Key(u.Username), EmailKey: dialer.Key(u.Email), Name: u.Name,
		Active: u.IsActive, Frozen: frozen, Visible: true, Modstamp: store.Micros(u.SystemModstamp),
		Created: store.Micros(u.CreatedDate), ReadAt: store.Micros(read), Hash: hash, Doc: doc,
	}, nil
}

// keepHidden fills in what cannot be read of a user from what was read before.
func keepHidden(u *crm.User, doc []byte, hidden []string) error {
	var old crm.User
	if err := json.Unmarshal(doc, &old); err != nil {
		return fmt.Errorf("read the mirror's copy: %w", err)
	}
	dst, src := reflect.ValueOf(u).Elem(), reflect.ValueOf(&old).Elem()
	for _, name := range hidden {
		if c, ok := strings.CutPrefix(name, "Custom."); ok {
			if v, ok := old.Custom[c]; ok {
				if u.Custom == nil {
					u.Custom = map[string]any{}
				}
				u.Custom[c] = v
			}
			continue
		}
		for i := range dst.NumField() {
			if dst.Type().Field(i).Tag.Get("expr") == name {
				dst.Field(i).Set(src.Field(i))
			}
		}
	}
	return nil
}

// topNames turns names of Salesforce fields into those that a rule reads under
// user: Profile.Name is Profile, X__c is Custom.X__c.
func topNames(fields []string) []string {
	var names []string
	for _, f := range fields {
		top, _, _ := strings.Cut(f, ".")
		if strings.HasSuffix(top, "__c") {
			top = "Custom." + top
		}
		if !slices.Contains(names, top) {
			names = append(names, top)
		}
	}
	slices.Sort(names)
	return names
}
