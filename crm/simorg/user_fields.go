package simorg

import (
	"strings"
	"time"
)

// userFields lists the columns of User in describe order.
func userFields(o Options) []*field {
	f := identityFields()
	f = append(f, addressFields(o.StateCountryPicklists)...)
	f = append(f, contactFields()...)
	f = append(f, accessFields()...)
	f = append(f, auditFields()...)
	f = append(f,
		textField("Team__c", "string", 80, func(u *User) *string { return &u.Team }).asCustom(),
		boolField("Dialer_Enabled__c", func(u *User) *bool { return &u.DialerEnabled }).asCustom(),
		hireDateField().asCustom(),
		quotaField().asCustom(),
	)
	for _, c := range o.CustomFields {
		f = append(f, c.field())
	}
	return f
}

func identityFields() []*field {
	name := &field{name: "Name", label: "Full Name", typ: "string", length: 121, get: func(u *User) value { return textValue(u.Name()) }}
	return []*field{
		textField("Id", "id", 18, func(u *User) *string { return &u.ID }).readOnly().required().called("User ID").
			fast(func(o *Org, i int) value { return value{k: text, s: o.gen.id(i)} }),
		textField("Username", "string", 80, func(u *User) *string { return &u.Username }).required().isUnique(),
		textField("LastName", "string", 80, func(u *User) *string { return &u.LastName }).required(),
		textField("FirstName", "string", 40, func(u *User) *string { return &u.FirstName }),
		name,
		textField("CompanyName", "string", 80, func(u *User) *string { return &u.CompanyName }),
		textField("Division", "string", 80, func(u *User) *string { return &u.Division }),
		textField("Department", "string", 80, func(u *User) *string { return &u.Department }),
		textField("Title", "string", 80, func(u *User) *string { return &u.Title }),
	}
}

func addressFields(picklists bool) []*field {
	f := []*field{
		textField("Street", "textarea", 255, func(u *User) *string { return &u.Street }),
		textField("City", "string", 40, func(u *User) *string { return &u.City }),
		textField("State", "string", 80, func(u *User) *string { return &u.State }),
		textField("PostalCode", "string", 20, func(u *User) *string { return &u.PostalCode }),
		textField("Country", "string", 80, func(u *User) *string { return &u.Country }),
	}
	if picklists {
		f = append(f,
			textField("StateCode", "picklist", 10, func(u *User) *string { return &u.StateCode }),
			textField("CountryCode", "picklist", 10, func(u *User) *string { return &u.CountryCode }))
	}
	address := &field{name: "Address", typ: "address", nillable: true, unfiltered: true}
	address.get = func(u *User) value { return addressValue(u, picklists) }
	return append(f, address)
}

func addressValue(u *User, picklists bool) value {
	if u.Street == "" && u.City == "" && u.State == "" && u.PostalCode == "" && u.Country == "" {
		return value{}
	}
	b := make([]byte, 0, 256)
	add := func(key string, v value) {
		b = append(append(append(b, `,"`...), key...), `":`...)
		b = v.appendJSON(b)
	}
	add("city", textValue(u.City))
	add("country", textValue(u.Country))
	if picklists {
		add("countryCode", textValue(u.CountryCode))
	}
	add("geocodeAccuracy", value{})
	add("latitude", value{})
	add("longitude", value{})
	add("postalCode", textValue(u.PostalCode))
	add("state", textValue(u.State))
	if picklists {
		add("stateCode", textValue(u.StateCode))
	}
	add("street", textValue(u.Street))
	b[0] = '{'
	return value{k: raw, s: string(append(b, '}'))}
}

func contactFields() []*field {
	photo := func(name, size string) *field {
		f := &field{name: name, typ: "url", length: 1024, nillable: true, unfiltered: true, calculated: true}
		f.get = func(u *User) value {
			return textValue("https://acme.example/profilephoto/005/" + size)
		}
		return f
	}
	return []*field{
		textField("Email", "email", 128, func(u *User) *string { return &u.Email }).required(),
		textField("SenderEmail", "email", 80, func(u *User) *string { return &u.SenderEmail }),
		textField("SenderName", "string", 80, func(u *User) *string { return &u.SenderName }),
		textField("Signature", "textarea", 1333, func(u *User) *string { return &u.Signature }).noFilter(),
		textField("Phone", "phone", 40, func(u *User) *string { return &u.Phone }),
		textField("Fax", "phone", 40, func(u *User) *string { return &u.Fax }),
		textField("MobilePhone", "phone", 40, func(u *User) *string { return &u.MobilePhone }).called("Mobile"),
		textField("Extension", "phone", 40, func(u *User) *string { return &u.Extension }),
		textField("Alias", "string", 8, func(u *User) *string { return &u.Alias }).required(),
		textField("CommunityNickname", "string", 40, func(u *User) *string { return &u.CommunityNickname }).required().isUnique().
			called("Nickname"),
		photo("SmallPhotoUrl", "T"), photo("FullPhotoUrl", "F"),
		textField("AboutMe", "textarea", 1000, func(u *User) *string { return &u.AboutMe }).noFilter(),
	}
}

func accessFields() []*field {
	perm := func(name string, p func(u *User) *bool) *field { return boolField("UserPermissions"+name, p) }
	return []*field{
		boolField("IsActive", func(u *User) *bool { return &u.IsActive }).called("Active").
			fast(func(o *Org, i int) value { return boolValue(o.gen.class(i).active) }),
		textField("TimeZoneSidKey", "picklist", 40, func(u *User) *string { return &u.TimeZoneSidKey }).required().called("Time Zone"),
		refField("UserRoleId", "UserRole", "UserRole", func(u *User) *string { return &u.UserRoleID }).called("Role ID").
			fast(func(o *Org, i int) value { return textValue(o.gen.role(i)) }),
		textField("LocaleSidKey", "picklist", 40, func(u *User) *string { return &u.LocaleSidKey }).required().called("Locale"),
		textField("EmailEncodingKey", "picklist", 40, func(u *User) *string { return &u.EmailEncodingKey }).required().
			picks("UTF-8", "ISO-8859-1", "Shift_JIS", "EUC-KR", "Big5"),
		refField("ProfileId", "Profile", "Profile", func(u *User) *string { return &u.ProfileID }).called("Profile ID").
			fast(func(o *Org, i int) value { return textValue(o.gen.profile(i)) }),
		textField("UserType", "picklist", 40, func(u *User) *string { return &u.UserType }).readOnly().
			picks("Standard", "PowerPartner", "PowerCustomerSuccess", "CustomerSuccess", "Guest", "CspLitePortal",
				"CsnOnly", "SelfService", "AutomatedProcess", "CloudIntegrationUser").
			fast(func(o *Org, i int) value { return textValue(o.gen.class(i).userType) }),
		textField("LanguageLocaleKey", "picklist", 40, func(u *User) *string { return &u.LanguageLocaleKey }).required(),
		textField("EmployeeNumber", "string", 20, func(u *User) *string { return &u.EmployeeNumber }),
		refField("DelegatedApproverId", "", "User", func(u *User) *string { return &u.DelegatedApproverID }),
		refField("ManagerId", "Manager", "User", func(u *User) *string { return &u.ManagerID }),
		textField("FederationIdentifier", "string", 512, func(u *User) *string { return &u.FederationIdentifier }).isUnique().
			called("SAML Federation ID"),
		refField("CallCenterId", "", "CallCenter", func(u *User) *string { return &u.CallCenterID }),
		refField("ContactId", "", "Contact", func(u *User) *string { return &u.ContactID }).readOnly(),
		refField("AccountId", "", "Account", func(u *User) *string { return &u.AccountID }).readOnly(),
		refField("IndividualId", "", "Individual", func(u *User) *string { return &u.IndividualID }),
		boolField("ForecastEnabled", func(u *User) *bool { return &u.ForecastEnabled }),
		perm("CallCenterAutoLogin", func(u *User) *bool { return &u.CallCenterAutoLogin }).called("Auto-login To Call Center"),
		perm("SFContentUser", func(u *User) *bool { return &u.SFContentUser }),
		perm("InteractionUser", func(u *User) *bool { return &u.InteractionUser }),
		perm("SupportUser", func(u *User) *bool { return &u.SupportUser }),
		perm("KnowledgeUser", func(u *User) *bool { return &u.KnowledgeUser }),
		perm("MarketingUser", func(u *User) *bool { return &u.MarketingUser }),
		perm("MobileUser", func(u *User) *bool { return &u.MobileUser }),
		perm("OfflineUser", func(u *User) *bool { return &u.OfflineUser }),
	}
}

func auditFields() []*field {
	return []*field{
		timeField("LastLoginDate", func(u *User) *time.Time { return &u.LastLoginDate }).readOnly().called("Last Login"),
		timeField("LastPasswordChangeDate", func(u *User) *time.Time { return &u.LastPasswordChangeDate }).readOnly(),
		timeField("CreatedDate", func(u *User) *time.Time { return &u.CreatedDate }).readOnly().required().
			fast(func(o *Org, i int) value { return secondsValue(o.gen.created(i)) }),
		refField("CreatedById", "CreatedBy", "User", func(u *User) *string { return &u.CreatedByID }).readOnly().required(),
		timeField("LastModifiedDate", func(u *User) *time.Time { return &u.LastModifiedDate }).readOnly().required().
			fast(func(o *Org, i int) value { return secondsValue(o.gen.modified(i)) }),
		refField("LastModifiedById", "LastModifiedBy", "User", func(u *User) *string { return &u.LastModifiedByID }).readOnly().required(),
		timeField("SystemModstamp", func(u *User) *time.Time { return &u.SystemModstamp }).readOnly().required().
			fast(func(o *Org, i int) value { return secondsValue(o.gen.stamp(i)) }),
	}
}

func secondsValue(s int64) value { return value{k: datetime, n: s * 1000} }

func hireDateField() *field {
	return &field{
		name: "Hire_Date__c", typ: "date", nillable: true, updateable: true,
		get: func(u *User) value { return dateValue(u.HireDate) },
		set: func(u *User, v value) { u.HireDate = fieldTime(v) },
	}
}

func quotaField() *field {
	return &field{
		name: "Quota__c", typ: "double", nillable: true, updateable: true,
		get: func(u *User) value {
			if u.Quota == 0 {
				return value{}
			}
			return doubleValue(u.Quota)
		},
		set: func(u *User, v value) {
			u.Quota = 0
			if v.k != null {
				u.Quota = v.float()
			}
		},
	}
}

// fieldOf finds a column of User by its API name, whatever its case.
func (o *Org) fieldOf(name string) *field { return o.users.named(strings.ToLower(name)) }
