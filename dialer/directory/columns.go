package directory

import (
	"fmt"
	"strings"

	"github.com/rosterd/rosterd/dialer"
	"github.com/rosterd/rosterd/store"
)

// columns of dialer_users, in the order in which values gives and scan takes
// them. The key is first.
var columns = strings.Fields(`
	org_id id salesforce_id username username_key email email_key email_claimed first_name last_name
	display_name title employee_number manager_id phone mobile extension timezone language system_role
	settings search_key status status_reason admin_hold protected deactivate_at deactivate_why origin
	match_method integration_info version created_at updated_at deleted_at settled_hash settled_policy
	virtual_extension is_superuser`)

// key of dialer_users.
var key = []string{"org_id", "id"}

// plainColumns are the places in columns of the key and of what no index holds.
var plainColumns = func() (places []int) {
	for i, c := range columns {
		switch c {
		case "salesforce_id", "username_key", "email_key", "email_claimed", "extension", "virtual_extension", "is_superuser", "system_role",
			"status", "deactivate_at", "deleted_at":
		default:
			places = append(places, i)
		}
	}
	return places
}()

func pick(places []int, list []string) []string {
	picked := make([]string, len(places))
	for i, p := range places {
		picked[i] = list[p]
	}
	return picked
}

// selected are the columns that a query reads, of the table with alias u: all
// but the folded ones.
var selected = `u.id, u.salesforce_id, u.username, u.email, u.email_claimed, u.first_name, u.last_name,
	u.display_name, u.title, u.employee_number, u.manager_id, u.phone, u.mobile, u.extension, u.timezone,
	u.language, u.system_role, u.settings, u.status, u.status_reason, u.admin_hold, u.protected,
	u.deactivate_at, u.deactivate_why, u.origin, u.match_method, u.integration_info, u.version,
	u.created_at, u.updated_at, u.deleted_at, u.settled_hash, u.settled_policy, u.virtual_extension, u.is_superuser`

// values fills row with the columns of u.
func values(row []any, org int64, u *dialer.User, claimed bool) []any {
	return append(row[:0],
		org, u.ID, u.SalesforceID, u.Username, dialer.Key(u.Username), u.Email, dialer.Key(u.Email), claimed,
		u.FirstName, u.LastName, u.DisplayName, u.Title, u.EmployeeNumber, u.ManagerID, u.Phone, u.Mobile,
		u.Extension, u.Timezone, u.Language, u.SystemRole, settingsText(&u.Settings), searchKey(u),
		string(u.Status), string(u.StatusReason), u.AdminHold, u.Protected, store.Micros(u.DeactivateAt),
		string(u.DeactivateWhy), string(u.Origin), u.MatchMethod, u.IntegrationInfo, u.Version,
		store.Micros(u.CreatedAt), store.Micros(u.UpdatedAt), store.Micros(u.DeletedAt),
		u.SettledHash, u.SettledPolicy, u.VirtualExtension, u.Superuser)
}

// searchKey is what Query.Search looks into.
func searchKey(u *dialer.User) string {
	name := u.FirstName + " " + u.LastName
	if u.DisplayName != strings.TrimSpace(name) {
		name += "\n" + u.DisplayName
	}
	if u.Email != u.Username {
		name += "\n" + u.Email
	}
	return dialer.Key(name + "\n" + u.Username)
}

func settingsText(s *dialer.Settings) string {
	b, err := s.MarshalJSON()
	if err != nil {
		panic(err) // settings are text, numbers and lists of them
	}
	return string(b)
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

// scan reads the selected columns. Groups and seats are read apart.
func scan(row scanner) (u dialer.User, claimed bool, err error) {
	var settings string
	var deactivate, created, updated, deleted int64
	err = row.Scan(&u.ID, &u.SalesforceID, &u.Username, &u.Email, &claimed, &u.FirstName, &u.LastName,
		&u.DisplayName, &u.Title, &u.EmployeeNumber, &u.ManagerID, &u.Phone, &u.Mobile, &u.Extension, &u.Timezone,
		&u.Language, &u.SystemRole, &settings, (*string)(&u.Status), (*string)(&u.StatusReason), &u.AdminHold, &u.Protected,
		&deactivate, (*string)(&u.DeactivateWhy), (*string)(&u.Origin), &u.MatchMethod, &u.IntegrationInfo, &u.Version,
		&created, &updated, &deleted, &u.SettledHash, &u.SettledPolicy,
		&u.VirtualExtension, &u.Superuser)
	if err != nil {
		return u, false, fmt.Errorf("read user: %w", err)
	}
	if settings != "{}" {
		if err := u.Settings.UnmarshalJSON([]byte(settings)); err != nil {
			return u, false, fmt.Errorf("read settings of user %s: %w", u.ID, err)
		}
	}
	u.DeactivateAt, u.CreatedAt = store.Time(deactivate), store.Time(created)
	u.UpdatedAt, u.DeletedAt = store.Time(updated), store.Time(deleted)
	return u, claimed, nil
}
