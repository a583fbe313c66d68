package dialer

import (
	"errors"
	"log/slog"
	"time"
)

// What a sign-in can be refused for. ErrSignIn does not say whether it was the
// user name, the password or the code, nor whether there is such a user.
var (
	ErrSignIn      = errors.New("the user name, the password or the code is wrong")
	ErrLocked      = errors.New("too many wrong attempts: try again later")
	ErrMustChange  = errors.New("the password must be changed first")
	ErrCodeNeeded  = errors.New("the code of the second factor is needed")
	ErrAddress     = errors.New("the user may not sign in from this address")
	ErrNoSession   = errors.New("there is no such session, or it has ended")
	ErrNotEnrolled = errors.New("the user has no second factor")
	ErrEnrolled    = errors.New("the user has a second factor already")
	ErrInvitation  = errors.New("the invitation is not known, has been used or has expired")
	ErrNoAddress   = errors.New("the user has no e-mail address")
)

// Secret is text that is shown to one person once. It prints as <secret>, but
// encodes to JSON as it is: whoever answers with one means to show it.
type Secret string

// String hides the secret.
func (Secret) String() string { return "<secret>" }

// GoString hides the secret.
func (Secret) GoString() string { return "<secret>" }

// LogValue hides the secret from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("<secret>") }

// Credential is what is known of how a user signs in; nothing in it is secret.
type Credential struct {
	UserID      string    `json:"user_id"`
	HasPassword bool      `json:"has_password"`
	MustChange  bool      `json:"must_change_password"`
	ChangedAt   time.Time `json:"password_changed_at,omitzero"`
	// SecondFactor is none or totp.
	SecondFactor string    `json:"second_factor"`
	EnrolledAt   time.Time `json:"enrolled_at,omitzero"`
	MustEnroll   bool      `json:"must_enroll"`
	BackupCodes  int       `json:"backup_codes_left"`
	LockedUntil  time.Time `json:"locked_until,omitzero"`
}

// The kinds of second factor.
const (
	FactorNone = "none"
	FactorTOTP = "totp"
)

// NewPassword is a password that was made for a user. It is shown once: nobody
// can read it again.
type NewPassword struct {
	UserID        string `json:"user_id"`
	Password      Secret `json:"password"`
	MustChange    bool   `json:"must_change_password"`
	SessionsEnded int64  `json:"sessions_ended"`
}

// Enrollment is a second factor that waits for its first code. It is shown
// once.
type Enrollment struct {
	UserID      string   `json:"user_id"`
	Secret      Secret   `json:"secret"` // base 32, for typing
	URI         Secret   `json:"uri"`    // otpauth://, for a QR code
	BackupCodes []Secret `json:"backup_codes"`
}

// SignIn is somebody at the door.
type SignIn struct {
	Username string
	Password Secret
	Code     Secret // of the second factor, or a backup code
	// NewPassword replaces the password in the same act; it is needed when
	// the password must be changed.
	NewPassword Secret
	Client      string // web, desktop, mobile, cti or sip
	IP          string
}

// SignedIn is a session, and whose it is.
type SignedIn struct {
	Session Session `json:"session"`
	User    User    `json:"-"`
	// Token proves the session to Authenticate. It is given by SignIn only.
	Token Secret `json:"token,omitempty"`
	// MustEnroll says that the session is good for nothing but enrolling a
	// second factor.
	MustEnroll bool `json:"must_enroll"`
}
