package dialer

// License is a license type of an org, with its seats.
type License struct {
	Type      string `json:"type"`
	Purchased int64  `json:"purchased"`
	Assigned  int64  `json:"assigned"`
	Left      int64  `json:"left"` // negative after Purchased was lowered beneath Assigned
	// Default says that a user who is added gets a seat of this type.
	Default bool `json:"default"`
	// RequiresSalesforce says that only users linked to Salesforce can hold it.
	RequiresSalesforce bool `json:"requires_salesforce"`
	// NoCTI says that its seats come without the CTI in Salesforce, which a
	// screen pop needs.
	NoCTI bool `json:"no_cti"`
}
