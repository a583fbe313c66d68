package config

import (
	"time"

	rostersync "github.com/rosterd/rosterd/sync"
)

// file is config.yaml as it is written. The defaults are those of
// config.example.yaml; a test compares them.
type file struct {
	Database string      `yaml:"database"`
	Control  fileControl `yaml:"control"`
	Log      fileLog     `yaml:"log"`
	Orgs     []fileOrg   `yaml:"orgs"`
}

type fileControl struct {
	Socket     string `yaml:"socket"`
	Listen     string `yaml:"listen"`
	TokensFile string `yaml:"tokens_file"`
}

type fileLog struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

type fileOrg struct {
	Name       string         `yaml:"name"`
	TimeZone   string         `yaml:"time_zone"`
	Salesforce fileSalesforce `yaml:"salesforce"`
	Schedule   fileSchedule   `yaml:"schedule"`
	Enrollment string         `yaml:"enrollment"`
	Match      string         `yaml:"match"`
	Prefilter  string         `yaml:"prefilter"`
	Frozen     string         `yaml:"frozen"`
	Scope      string         `yaml:"scope"`
	Deactivate string         `yaml:"deactivate"`
	OnNoSeat   string         `yaml:"on_no_seat"`
	Guard      fileGuard      `yaml:"guard"`
	Licenses   []fileLicense  `yaml:"licenses"`
	Mapping    []fileRule     `yaml:"mapping"`
	Targets    []fileTarget   `yaml:"targets"`

	SecretKeyFile string          `yaml:"secret_key_file"`
	Leads         fileWebhook     `yaml:"leads"`
	Invitations   fileInvitations `yaml:"invitations"`
}

type fileSalesforce struct {
	LoginURL         string     `yaml:"login_url"`
	ClientID         string     `yaml:"client_id"`
	Username         string     `yaml:"username"`
	PrivateKeyFile   string     `yaml:"private_key_file"`
	ClientSecretFile string     `yaml:"client_secret_file"`
	APIVersion       string     `yaml:"api_version"`
	Changes          string     `yaml:"changes"`
	Snapshot         string     `yaml:"snapshot"`
	PubSubEndpoint   string     `yaml:"pubsub_endpoint"`
	CAFile           string     `yaml:"ca_file"`
	Budget           fileBudget `yaml:"budget"`
}

type fileBudget struct {
	CallsPerDay    int     `yaml:"calls_per_day"`
	ReservePercent float64 `yaml:"reserve_percent"`
}

type fileSchedule struct {
	Full string        `yaml:"full"`
	Poll time.Duration `yaml:"poll"`
}

type fileGuard struct {
	Users   int           `yaml:"users"`
	Percent float64       `yaml:"percent"`
	Window  time.Duration `yaml:"window"`
}

type fileLicense struct {
	Type    string `yaml:"type"`
	Seats   int    `yaml:"seats"`
	Default bool   `yaml:"default"`

	RequiresSalesforce bool `yaml:"requires_salesforce"`
	NoCTI              bool `yaml:"no_cti"`
}

type fileRule struct {
	Set string `yaml:"set"`
	To  string `yaml:"to"`
	Own string `yaml:"own"`
}

type fileWebhook struct {
	URL        string `yaml:"url"`
	SecretFile string `yaml:"secret_file"`
}

type fileInvitations struct {
	To      string        `yaml:"to"`
	Link    string        `yaml:"link"`
	Valid   time.Duration `yaml:"valid"`
	SMTP    fileSMTP      `yaml:"smtp"`
	Webhook fileWebhook   `yaml:"webhook"`
}

type fileSMTP struct {
	Server       string `yaml:"server"`
	From         string `yaml:"from"`
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	RequireTLS   bool   `yaml:"require_tls"`
}

type fileTarget struct {
	Name      string `yaml:"name"`
	Driver    string `yaml:"driver"`
	URL       string `yaml:"url"`
	TokenFile string `yaml:"token_file"`
	Profile   string `yaml:"profile"`
	Rate      string `yaml:"rate"`
}

// defaulter is a part of the file with defaults of its own.
type defaulter interface{ defaults() }

func (f *file) defaults() {
	f.Database = "sqlite:///var/lib/rosterd/rosterd.db"
	f.Control = fileControl{Socket: "/run/rosterd/control.sock", Listen: "127.0.0.1:8470"}
	f.Log = fileLog{Level: "info", Format: "json"}
}

func (o *fileOrg) defaults() {
	*o = fileOrg{
		TimeZone: "America/Denver",
		Salesforce: fileSalesforce{
			LoginURL:       "https://login.salesforce.com",
			APIVersion:     "66.0",
			Changes:        "auto",
			Snapshot:       "auto",
			PubSubEndpoint: "api.pubsub.salesforce.com:7443",
			Budget:         fileBudget{CallsPerDay: 5000, ReservePercent: 20},
		},
		Schedule:   fileSchedule{Full: "0 0 * * *", Poll: time.Minute},
		Enrollment: "automatic",
		Match:      "email",
		Prefilter:  "UserType = 'Standard'",
		Frozen:     "deactivate",
		Scope:      rostersync.DefaultScope,
		Deactivate: "next_midnight",
		OnNoSeat:   "reject",
		Guard:      fileGuard{Users: 10, Percent: 2, Window: 24 * time.Hour},

		Invitations: fileInvitations{To: "nobody", Valid: 7 * 24 * time.Hour, SMTP: fileSMTP{RequireTLS: true}},
	}
}
