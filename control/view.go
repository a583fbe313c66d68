package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rosterd/rosterd/dialer"
)

// User is a dialer user as the outside sees one.
type User struct {
	ID                string         `json:"id"`
	SalesforceID      string         `json:"salesforce_id" doc:"18 characters; empty for a local user"`
	Username          string         `json:"username"`
	Email             string         `json:"email"`
	FirstName         string         `json:"first_name"`
	LastName          string         `json:"last_name"`
	DisplayName       string         `json:"display_name"`
	Title             string         `json:"title"`
	EmployeeNumber    string         `json:"employee_number"`
	ManagerID         string         `json:"manager_id" doc:"Salesforce id of the manager"`
	Phone             string         `json:"phone"`
	Mobile            string         `json:"mobile"`
	Extension         string         `json:"extension"`
	Timezone          string         `json:"timezone" doc:"IANA name"`
	Language          string         `json:"language" doc:"BCP 47"`
	Country           string         `json:"country" doc:"ISO 3166-1 alpha-2"`
	Status            dialer.Status  `json:"status" enum:"active,inactive,deleted"`
	StatusReason      dialer.Reason  `json:"status_reason" doc:"why the user is not active; empty for an active one"`
	DeactivateAt      *time.Time     `json:"deactivate_at" doc:"when access ends; null when it does not"`
	DeactivateReason  dialer.Reason  `json:"deactivate_reason"`
	AdminHold         bool           `json:"admin_hold" doc:"deactivated by hand: the sync does not reactivate"`
	Protected         bool           `json:"protected" doc:"the sync never touches this user"`
	LicenseTypes      []string       `json:"license_types" nullable:"false" doc:"seats held"`
	PermissionGroup   string         `json:"permission_group"`
	Roles             []string       `json:"roles" nullable:"false"`
	Department        string         `json:"department"`
	Location          string         `json:"location"`
	Groups            []dialer.Group `json:"groups" nullable:"false" doc:"groups of every kind"`
	SystemRole        string         `json:"system_role"`
	CallerIDName      string         `json:"caller_id_name"`
	CallerIDNumber    string         `json:"caller_id_number"`
	SalesRole         string         `json:"sales_role"`
	TargetMarket      string         `json:"target_market"`
	IntegrationStatus string         `json:"integration_status" enum:"integrated,not_integrated"`
	IntegrationReason string         `json:"integration_reason"`
	Authorization     string         `json:"sf_authorization" enum:"not_started,pending,authorized,revoked,expired,error" doc:"whether the user let the dialer act for them in Salesforce; pending is asked"`
	MatchMethod       string         `json:"match_method" doc:"how the link to Salesforce was made"`
	Origin            dialer.Origin  `json:"origin"`
	Version           int64          `json:"version" doc:"rises with every change; the ETag"`
	CreatedAt         time.Time      `json:"created_at"`
	UpdatedAt         time.Time      `json:"updated_at"`
	DeletedAt         *time.Time     `json:"deleted_at"`

	Attributes map[dialer.Field]any `json:"attributes,omitempty" doc:"every attribute by its name, as /v1/attributes describes them; in a list, the columns asked for. Of a secret, whether it is set"`
	Derived    *dialer.Derived      `json:"derived,omitempty" doc:"what follows from the attributes; of single users only"`
}

// whole is a user with all attributes, those that follow from others too.
func (c call) whole(ctx context.Context, u *dialer.User) (User, error) {
	derive, err := c.Directory.Deriver(ctx)
	if err != nil {
		return User{}, err
	}
	v := view(u)
	d := derive(u)
	v.Attributes, v.Derived = attributes(u, nil), &d
	var derived map[dialer.Field]any
	text, err := json.Marshal(d)
	if err == nil {
		err = json.Unmarshal(text, &derived)
	}
	for f, value := range derived {
		if _, ok := v.Attributes[f]; ok {
			v.Attributes[f] = value
		}
	}
	return v, err
}

func etag(u *dialer.User) string { return fmt.Sprintf(`"%d"`, u.Version) }

func view(u *dialer.User) User {
	return User{
		ID: u.ID, SalesforceID: u.SalesforceID, Username: u.Username, Email: u.Email,
		FirstName: u.FirstName, LastName: u.LastName, DisplayName: u.DisplayName, Title: u.Title,
		EmployeeNumber: u.EmployeeNumber, ManagerID: u.ManagerID, Phone: u.Phone, Mobile: u.Mobile,
		Extension: u.Extension, Timezone: u.Timezone, Language: u.Language, Country: u.Settings.Country,
		Status: u.Status, StatusReason: u.StatusReason, DeactivateAt: when(u.DeactivateAt), DeactivateReason: u.DeactivateWhy,
		AdminHold: u.AdminHold, Protected: u.Protected, LicenseTypes: append([]string{}, u.LicenseTypes...),
		PermissionGroup: u.One(dialer.KindPermissionGroup), Roles: append([]string{}, u.In(dialer.KindRole)...),
		Department: u.One(dialer.KindDepartment), Location: u.One(dialer.KindLocation), Groups: append([]dialer.Group{}, u.Groups...),
		SystemRole: u.SystemRole, CallerIDName: u.Settings.CallerIDName, CallerIDNumber: u.Settings.CallerIDNumber,
		SalesRole: u.Settings.SalesRole, TargetMarket: u.Settings.TargetMarket,
		IntegrationStatus: integration(u), IntegrationReason: u.IntegrationInfo, Authorization: dialer.FieldSFAuthorization.Text(u), MatchMethod: u.MatchMethod, Origin: u.Origin,
		Version: u.Version, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt, DeletedAt: when(u.DeletedAt),
	}
}

// integration says whether a user's Salesforce side is known and in order.
func integration(u *dialer.User) string {
	if u.SalesforceID != "" && (u.IntegrationInfo == "" || u.IntegrationInfo == dialer.IntegrationOK) {
		return dialer.StatusIntegrated
	}
	return dialer.StatusNotIntegrated
}

// when is null for a time that means never.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
