package config

import (
	"errors"
	"strings"
	"testing"
)

// whole is a correct file; every row below makes one mistake in it.
const whole = `database: sqlite:///var/lib/rosterd/rosterd.db
control:
  socket: /run/rosterd/control.sock
  listen: 127.0.0.1:8470
  tokens_file: ${CREDENTIALS_DIRECTORY}/tokens
log: {level: info, format: json}
orgs:
  - name: acme
    time_zone: America/Denver
    salesforce:
      login_url: https://login.salesforce.com
      client_id: 3MVG9
      username: rosterd@acme.example
      private_key_file: ${CREDENTIALS_DIRECTORY}/acme.pem
      client_secret_file: ""
      api_version: "66.0"
      changes: auto
      snapshot: auto
      pubsub_endpoint: api.pubsub.salesforce.com:7443
      ca_file: ""
      budget: {calls_per_day: 5000, reserve_percent: 20}
    schedule: {full: "0 0 * * *", poll: 1m}
    enrollment: automatic
    match: email
    prefilter: UserType = 'Standard'
    frozen: deactivate
    scope: user.IsActive
    deactivate: next_midnight
    on_no_seat: reject
    guard: {users: 10, percent: 2, window: 24h}
    licenses: [{type: powerdialer, seats: 500, default: true}]
    mapping:
      - {set: role, to: '"Agent"', own: seeded}
    targets: []
`

// mistakes: in whole, old is replaced by new (all of it where old is empty);
// the first problem then stands at place and says what, then how.
var mistakes = []struct{ name, old, new, place, what, how string }{
	// the file
	{"empty file", "", "", "1:1", "the file is empty", "config.example.yaml"},
	{"only a comment", "", "# nothing\n", "1:1", "the file is empty", "config.example.yaml"},
	{"a list", "", "- 1\n", "1:1", "must be a mapping of keys, not a list", "config.example.yaml"},
	{"a text", "", "hello\n", "1:1", "must be a mapping of keys, not a text", "config.example.yaml"},
	{"not text", "", "database: \xff\xfe\n", "1:1", "character that is not text", "UTF-8"},
	{"two documents", "orgs:", "---\norgs:", "8:1", "second YAML document", "---"},
	{"open bracket", "percent: 2, window: 24h}", "percent: 2", "31:", "must be specified", "brackets"},
	{"open quote", "match: email", "match: \"email", "33:", "not allowed", "quotes"},
	{"tab", "    match: email", "\tmatch: email", "24:", "holds a tab", "indent with spaces"},
	{"key twice", "    match: email", "    match: email\n    match: email", "25:5", `"match" already defined`, "keep one of the two"},
	{"colon in value", "client_id: 3MVG9", "client_id: a: b", "12:", "mapping value", "quote"},
	{"alias", "client_id: 3MVG9", "client_id: *x", "12:18", "anchors and aliases", "write the value out"},
	{"unquoted star", `full: "0 0 * * *"`, `full: */5 * * * *`, "22:", "", "quote"},
	{"tag", "client_id: 3MVG9", "client_id: !!int 3", "12:18", "tags are not supported", "quote"},
	{"null", "match: email", "match:", "24:11", "has no value", "leave the key out"},

	// keys
	{"unknown key", "database:", "databse:", "1:1", "databse: unknown key", "did you mean database?"},
	{"key misspelled", "licenses:", "lisenses:", "31:5", "lisenses: unknown key", "did you mean licenses?"},
	{"misplaced key", "    match: email", "    poll: 1m", "24:5", "orgs[0].poll: unknown key", "it belongs under orgs.schedule"},
	{"far-off key", "    match: email", "    xylophone: 1", "24:5", "unknown key", "the keys under orgs[0] are name, time_zone"},
	{"secret in the file", `client_secret_file: ""`, "client_secret: hunter2hunter2", "15:7", "unknown key", "did you mean client_secret_file?"},
	{"top-level key inside", "    match: email", "    database: x", "24:5", "unknown key", "at the top of the file"},
	{"key of a list item", "type: powerdialer,", "typ: powerdialer,", "31:17", "licenses[0].typ: unknown key", "did you mean type?"},

	// types
	{"text for a mapping", "schedule: {full: \"0 0 * * *\", poll: 1m}", "schedule: hourly", "22:15", "wants a mapping of keys, not a text", "indented"},
	{"mapping for a list", "    mapping:\n      - {set: role, to: '\"Agent\"', own: seeded}", "    mapping:\n      set: role", "32:5", "wants a list, not a mapping", "dash"},
	{"list for a text", "match: email", "match: [email]", "24:12", "wants a text, not a list", "quotes"},
	{"text for a number", "seats: 500", "seats: many", "31:43", "wants a whole number, not a text", "without quotes"},
	{"quoted number", "seats: 500", `seats: "500"`, "31:43", "wants a whole number, not a text", "without quotes"},
	{"fraction for a number", "seats: 500", "seats: 1.5", "31:43", "wants a whole number, not the number 1.5", "without"},
	{"endless number", " percent: 2", " percent: .inf", "30:33", "wants a number", "without"},
	{"word for true", "default: true", "default: yes", "31:57", "wants true or false, not a text", "without quotes"},
	{"true for a text", "match: email", "match: true", "24:12", "wants a text, not the truth value true", "quotes"},
	{"duration without unit", "poll: 1m", "poll: 60", "22:41", `"60" is not a duration`, "with a unit"},
	{"duration in days", "window: 24h", "window: 1d", "30:44", `"1d" is not a duration`, "24h"},

	// variables
	{"variable unset", "client_id: 3MVG9", "client_id: ${NOT_SET}", "12:18", "variable NOT_SET is not set", "set it"},
	{"variable open", "client_id: 3MVG9", "client_id: ${NAME", "12:18", "${ is not closed", "close it"},
	{"variable with default", "client_id: 3MVG9", "client_id: ${NAME:-x}", "12:18", "does not name an environment variable", "without a default"},
	{"variable unquoted in braces", "seats: 500", "seats: ${SEATS}", "31:", "", "quote a value with ${...}"},

	// database, control, log
	{"database scheme", "sqlite:///var/lib/rosterd/rosterd.db", "mysql://root@db/rosterd", "1:11", "neither sqlite nor postgres", "sqlite:///"},
	{"database empty", "sqlite:///var/lib/rosterd/rosterd.db", `""`, "1:11", "is empty", "sqlite:///"},
	{"database relative", "sqlite:///var/lib/rosterd/rosterd.db", "sqlite:rosterd.db", "1:11", "absolute path", "sqlite:///"},
	{"database two slashes", "sqlite:///var/lib", "sqlite://var/lib", "1:11", "names a host", "three slashes"},
	{"database password", "sqlite:///var/lib/rosterd/rosterd.db", "postgres://u:hunter2hunter2@db/rosterd", "1:11", "holds a password", "passfile"},
	{"database without name", "sqlite:///var/lib/rosterd/rosterd.db", "postgres://u@db", "1:11", "does not name a database", "postgres://user@host/rosterd"},
	{"database port", "sqlite:///var/lib/rosterd/rosterd.db", "postgres://u@db:99999/x", "1:11", "port that does not exist", "1 to 65535"},
	{"password file open", "sqlite:///var/lib/rosterd/rosterd.db", "postgres://u@db/x?passfile=${CREDENTIALS_DIRECTORY}/opengpass", "1:11", "every user of the machine", "chmod 0600"},
	{"socket relative", "/run/rosterd/control.sock", "control.sock", "3:11", "not an absolute path", "/run/rosterd"},
	{"socket long", "/run/rosterd/control.sock", "/run/" + strings.Repeat("x", 120), "3:11", "is 125 bytes long", "107"},
	{"listen URL", "127.0.0.1:8470", "http://127.0.0.1:8470", "4:11", "is a URL", "host:port"},
	{"listen without port", "127.0.0.1:8470", "127.0.0.1", "4:11", "is not host:port", "127.0.0.1:8470"},
	{"listen port", "127.0.0.1:8470", "127.0.0.1:http", "4:11", "not a number that exists", "1 to 65535"},
	{"listen to all without tokens", "127.0.0.1:8470\n  tokens_file: ${CREDENTIALS_DIRECTORY}/tokens", ":8470", "4:11", "no token guards it", "control.tokens_file"},
	{"listen to all with no token", "127.0.0.1:8470\n  tokens_file: ${CREDENTIALS_DIRECTORY}/tokens", "0.0.0.0:8470\n  tokens_file: ${CREDENTIALS_DIRECTORY}/empty", "4:11", "no token is defined", "ROLE NAME TOKEN"},
	{"no way in", "  socket: /run/rosterd/control.sock\n  listen: 127.0.0.1:8470", "  socket: \"\"\n  listen: \"\"", "3:11", "nobody could ask", "control.listen"},
	{"tokens missing", "/tokens", "/nothere", "5:16", "does not exist", "LoadCredential="},
	{"tokens bad role", "/tokens", "/badtokens", "5:16", "line 2 of the file: the first word is not a role", "ROLE NAME TOKEN"},
	{"tokens swapped", "/tokens", "/swappedtokens", "5:16", "line 1 of the file", "ROLE NAME TOKEN"},
	{"tokens readable by all", "/tokens", "/opentokens", "5:16", "(mode 0644)", "chmod 0600"},
	{"log level", "level: info", "level: verbose", "6:14", `"verbose" is not known`, "debug, info, warn or error"},
	{"log format", "format: json", "format: jsno", "6:28", `"jsno" is not json or text`, "did you mean json?"},

	// orgs
	{"no orgs", whole[strings.Index(whole, "orgs:"):], "", "1:1", "no org is configured", "at least one org"},
	{"org without name", "name: acme\n    time_zone", "time_zone", "8:5", "the org has no name", "acme"},
	{"org name", "name: acme", "name: Acme Inc.", "8:11", "not a name for an org", "letters, digits"},
	{"org twice", "    targets: []\n", "    targets: []\n" + strings.Replace(strings.TrimPrefix(minimal, "orgs:\n"), "acme", "ACME", 1), "35:11", `"ACME" is the name of orgs[0] already`, "a name of its own"},
	{"zone", "America/Denver", "America/Devner", "9:16", `"America/Devner" is not a time zone`, "IANA"},
	{"zone of the machine", "America/Denver", "Local", "9:16", "must not depend on the machine", "IANA"},
	{"cron", `"0 0 * * *"`, `"0 24 * * *"`, "22:22", "cron expression", "minute, hour"},
	{"cron never", `"0 0 * * *"`, `"0 0 30 2 *"`, "22:22", "never fires", "a date that exists"},
	{"cron with seconds", `"0 0 * * *"`, `"0 0 0 * * *"`, "22:22", "cron expression", "minute, hour"},
	{"poll too often", "poll: 1m", "poll: 1s", "22:41", "1s is out of range", "from 10s"},
	{"poll too seldom", "poll: 1m", "poll: 48h", "22:41", "48h0m0s is out of range", "24h"},
	{"enrollment", "enrollment: automatic", "enrollment: auto", "23:17", `"auto" is not automatic or selected`, "did you mean automatic?"},
	{"match", "match: email", "match: phone", "24:12", `"phone" is not known`, "email or username"},
	{"prefilter quote", "UserType = 'Standard'", "UserType = 'Standard", "25:16", "leaves a quote open", "close it"},
	{"prefilter bracket", "UserType = 'Standard'", "(IsActive = true", "25:16", "leaves a bracket open", "count"},
	{"prefilter clause", "UserType = 'Standard'", "IsActive = true LIMIT 5", "25:16", "holds the word LIMIT", "condition only"},
	{"prefilter semicolon", "UserType = 'Standard'", "IsActive = true; x", "25:16", "semicolon", "one SOQL condition"},
	{"frozen", "frozen: deactivate", "frozen: delete", "26:13", `"delete" is not`, "deactivate"},
	{"leaving", "deactivate: next_midnight", "deactivate: midnight", "28:17", `"midnight" is not a time to leave`, "next_midnight"},
	{"leaving in days", "deactivate: next_midnight", "deactivate: after:1d", "28:17", "not a time to leave", "after:24h"},
	{"leaving never", "deactivate: next_midnight", "deactivate: after:9999h", "28:17", "would keep access", "90 days"},
	{"no seat", "on_no_seat: reject", "on_no_seat: rejct", "29:17", `"rejct" is not`, "did you mean reject?"},
	{"guard users", "users: 10", "users: -1", "30:20", "-1 is out of range", "0 switches this limit off"},
	{"guard percent", " percent: 2", " percent: 200", "30:33", "200 is out of range", "0 to 100"},
	{"guard window", "window: 24h", "window: 0s", "30:44", "0s is out of range", "24h is usual"},
	{"no licenses", "licenses: [{type: powerdialer, seats: 500, default: true}]", "licenses: []", "31:15", "nobody could get a seat", "default: true"},
	{"license without seats", "seats: 500, ", "", "31:16", "no number of seats", "how many were bought"},
	{"license without type", "type: powerdialer, ", "", "31:16", "has no type", "powerdialer"},
	{"license type", "type: powerdialer", "type: Power Dialer", "31:23", "not a name for a license type", "lower-case"},
	{"license twice", "default: true}", "default: true}, {type: powerdialer, seats: 1}", "31:71", "is listed twice", "add the seats up"},
	{"license negative", "seats: 500", "seats: -3", "31:43", "-3 is out of range", "0 to"},
	{"license default", "default: true", "default: false", "31:15", "no license is the default", "default: true"},
	{"targets", "targets: []", `targets: [{name: talkdesk, driver: scim, url: "https://scim.example/v2", rate: 4/s}]`, "34:14", "targets are not available in this version", "remove"},
	{"target driver", "targets: []", `targets: [{name: talkdesk, driver: soap, url: "https://scim.example/v2"}]`, "34:14", "targets are not available", "remove"},

	// whom an org tells
	{"leads address", "targets: []", `leads: {url: "http://crm.example/x"}`, "34:18", "is not https", "loopback"},
	{"leads secret alone", "targets: []", "leads: {secret_file: \"${CREDENTIALS_DIRECTORY}/tokens\"}", "34:26", "a webhook that has no url", "set url too"},
	{"leads secret short", "targets: []", `leads: {url: "https://crm.example/x", secret_file: "${CREDENTIALS_DIRECTORY}/short"}`, "34:56", "shorter than 16 characters", "openssl rand"},
	{"secret key missing", "targets: []", "secret_key_file: ${CREDENTIALS_DIRECTORY}/nothere", "34:22", "does not exist", "LoadCredential="},
	{"invited by nobody", "targets: []", `invitations: {to: all, link: "https://dialer.example/welcome"}`, "34:23", "nobody would send the invitations", "smtp or webhook"},
	{"invited to nowhere", "targets: []", `invitations: {to: all, webhook: {url: "https://mail.example/x"}}`, "34:5", "invitations would lead nowhere", "sets a password"},
	{"invited twice", "targets: []", `invitations: {to: all, link: "https://dialer.example/welcome", webhook: {url: "https://mail.example/x"}, smtp: {server: "mail.example:587", from: dialer@example.com}}`, "34:125", "sent twice", "keep one"},
	{"invited whom", "targets: []", "invitations: {to: everybody}", "34:23", `"everybody" is not known`, "nobody, added or all"},
	{"invited for ever", "targets: []", "invitations: {valid: 9999h}", "34:26", "9999h0m0s is out of range", "168h is usual"},
	{"invitation with a fragment", "targets: []", `invitations: {link: "https://dialer.example/welcome#x"}`, "34:25", "has a fragment", "leave out"},
	{"mail without a port", "targets: []", "invitations: {link: \"https://d.example/w\", smtp: {server: mail.example, from: dialer@example.com}}", "34:63", "is not host:port", "587"},
	{"mail from nobody", "targets: []", "invitations: {link: \"https://d.example/w\", smtp: {server: \"mail.example:587\"}}", "34:48", "is not an address", "Dialer <"},
	{"mail without a server", "targets: []", "invitations: {smtp: {from: dialer@example.com}}", "34:19", "no mail would be sent", "host:port"},
	{"mail with half a login", "targets: []", "invitations: {link: \"https://d.example/w\", smtp: {server: \"mail.example:587\", from: dialer@example.com, username: u}}", "34:119", "go together", "or none"},

	// scope and mapping
	{"scope empty", "scope: user.IsActive", `scope: ""`, "27:12", "scope is empty", "write true"},
	{"scope field", "scope: user.IsActive", "scope: user.IsActve", "27:17", "Salesforce's User has no field IsActve", "as the API does"},
	{"scope kind", "scope: user.IsActive", "scope: user.Title", "27:12", "bool", "true or false"},
	{"scope user alone", "scope: user.IsActive", `scope: user == "x"`, "27:17", "mismatched types Salesforce's User and string", "such as user.Title"},
	{"scope nothing but user", "scope: user.IsActive", "scope: user", "27:12", "expected bool, but got Salesforce's User", "such as user.Title"},
	{"scope user and nil", "scope: user.IsActive", "scope: user != nil", "27:12", "user stands without the name of a field", "such as user.Title"},
	{"scope profile alone", "scope: user.IsActive", `scope: user.Profile == "Sales"`, "27:25", "Salesforce's Profile and string", "such as user.Profile.Name"},
	{"rule user alone", `'"Agent"'`, "user", "33:25", "must be text, not Salesforce's User", "such as user.Title"},
	{"scope syntax", "scope: user.IsActive", "scope: user.IsActive &&", "27:27", "unexpected token", "correct the expression"},
	{"scope in a block", "scope: user.IsActive", "scope: |\n      user.IsActive &&\n      usr.IsActive", "29:7", "unknown name usr", "expressions know user"},
	{"rule field", `'"Agent"'`, `user.Titel`, "33:30", "Titel", "as the API does"},
	{"rule quoted", `'"Agent"'`, `'user.Title == "x" ? nope : "b"'`, "33:46", "unknown name nope", "quotes"},
	{"rule escaped", `'"Agent"'`, `"\"a\" + nope"`, "33:25", "(line 1, column 7 of the expression)", "quotes"},
	{"rule number", `'"Agent"'`, `1 + 1`, "33:25", "must be text", "string(...)"},
	{"rule attribute", "set: role", "set: rank", "33:15", "not an attribute that a mapping can set", "permission_group"},
	{"rule attribute misspelled", "set: role", "set: rloe", "33:15", "not an attribute that a mapping can set", "did you mean role?"},
	{"rule owner", "own: seeded", "own: salesfroce", "33:41", "is not salesforce, seeded or admin", "did you mean salesforce?"},
	{"rule without set", "set: role, ", "", "33:9", "does not say which attribute", "permission_group"},
	{"rule without to", `to: '"Agent"', `, "", "33:9", "does not say what to set", "user.Title"},
	{"rule twice", "own: seeded}", "own: seeded}\n      - {set: role, to: user.Title}", "34:15", "set by two rules", "keep one"},

	// Salesforce
	{"login http", "https://login.salesforce.com", "http://acme.my.salesforce.com", "11:18", "unencrypted", "write https://acme.my.salesforce.com"},
	{"login path", "https://login.salesforce.com", "https://login.salesforce.com/services/oauth2/token", "11:18", "more than a scheme and a host", "leave out what follows"},
	{"login host only", "https://login.salesforce.com", "login.salesforce.com", "11:18", "is not the URL of a host", "https://login.salesforce.com"},
	{"login web interface", "https://login.salesforce.com", "https://acme.lightning.force.com", "11:18", "web interface", "my.salesforce.com"},
	{"login scheme", "https://login.salesforce.com", "ftp://login.salesforce.com", "11:18", "not an https URL", "https://login.salesforce.com"},
	{"login empty", "https://login.salesforce.com", `""`, "11:18", "is empty", "https://login.salesforce.com"},
	{"client id missing", "      client_id: 3MVG9\n", "", "10:5", "client_id: is required", "consumer key"},
	{"client id spaces", "client_id: 3MVG9", "client_id: 3MVG9 X", "12:18", "white space", "consumer key"},
	{"username missing", "      username: rosterd@acme.example\n", "", "10:5", "needs the user to log in as", "integration user"},
	{"username form", "username: rosterd@acme.example", "username: rosterd", "13:17", "not a Salesforce Username", "e-mail"},
	{"both flows", `client_secret_file: ""`, "client_secret_file: ${CREDENTIALS_DIRECTORY}/secret", "15:27", "both a private key and a client secret", "keep private_key_file"},
	{"no flow", "      private_key_file: ${CREDENTIALS_DIRECTORY}/acme.pem\n", "", "10:5", "neither a private key nor a client secret", "JWT bearer"},
	{"secret on the shared host", "private_key_file: ${CREDENTIALS_DIRECTORY}/acme.pem\n      client_secret_file: \"\"", "client_secret_file: ${CREDENTIALS_DIRECTORY}/secret", "11:18", "do not work on login.salesforce.com", "My Domain"},
	{"secret of two words", "https://login.salesforce.com\n      client_id: 3MVG9\n      username: rosterd@acme.example\n      private_key_file: ${CREDENTIALS_DIRECTORY}/acme.pem\n      client_secret_file: \"\"", "https://x.my.salesforce.com\n      client_id: 3MVG9\n      client_secret_file: ${CREDENTIALS_DIRECTORY}/two", "13:27", "more than one word", "nothing else"},
	{"key missing", "/acme.pem", "/nothere.pem", "14:25", "nothere.pem does not exist", "create the file"},
	{"key is a directory", "/acme.pem", "/dir", "14:25", "is a directory", "name a file in it"},
	{"key readable by all", "/acme.pem", "/open.pem", "14:25", "(mode 0644)", "chmod 0600"},
	{"key empty", "/acme.pem", "/empty", "14:25", "the file is empty", "put the secret into it"},
	{"key is a certificate", "/acme.pem", "/cert.pem", "14:25", "a certificate, not a private key", "connected app"},
	{"key is public", "/acme.pem", "/public.pem", "14:25", "a public key, not a private key", "BEGIN PRIVATE KEY"},
	{"key not PEM", "/acme.pem", "/garbage.pem", "14:25", "the file is not PEM", "BEGIN PRIVATE KEY"},
	{"key damaged", "/acme.pem", "/damaged.pem", "14:25", "cannot be read", "export the key anew"},
	{"key encrypted", "/acme.pem", "/encrypted.pem", "14:25", "is encrypted", "openssl pkey"},
	{"key encrypted PKCS8", "/acme.pem", "/encrypted8.pem", "14:25", "is encrypted", "openssl pkey"},
	{"key elliptic", "/acme.pem", "/ec.pem", "14:25", "is not RSA", "openssl genrsa"},
	{"key elliptic SEC1", "/acme.pem", "/ecsec1.pem", "14:25", "Salesforce takes RSA only", "openssl genrsa"},
	{"key short", "/acme.pem", "/short.pem", "14:25", "only 1024 bits", "2048"},
	{"certificate expired", "/acme.pem", "/expired.pem", "14:25", "expired on 2026-06-30", "new certificate"},
	{"certificate of another", "/acme.pem", "/mismatch.pem", "14:25", "belongs to another key", "one pair"},
	{"key in the file", "private_key_file: ${CREDENTIALS_DIRECTORY}/acme.pem", "private_key_file: |\n        -----BEGIN PRIVATE KEY-----\n        MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ", "14:25", "the text itself", "mode 0600"},
	{"version form", `"66.0"`, "v66", "16:20", `"v66" is not an API version`, `"66.0"`},
	{"version number", `"66.0"`, "66", "16:20", `"66" is not an API version`, `"66.0"`},
	{"version retired", `"66.0"`, "30.0", "16:20", "retired version 30.0", `"66.0"`},
	{"changes", "changes: auto", "changes: push", "17:16", `"push" is not`, "auto, poll or stream"},
	{
		"snapshot bulk", "\"66.0\"\n      changes: auto\n      snapshot: auto", "\"46.0\"\n      changes: auto\n      snapshot: bulk",
		"18:17", "46.0 has no bulk queries", "newer api_version",
	},
	{"snapshot", "snapshot: auto", "snapshot: soap", "18:17", `"soap" is not`, "auto, rest or bulk"},
	{"pubsub", "api.pubsub.salesforce.com:7443", "api.pubsub.salesforce.com", "19:24", "is not host:port", "7443"},
	{"pubsub without port", "api.pubsub.salesforce.com:7443", "http://127.0.0.1", "19:24", "is not http://host:port", "PORT"},
	{"pubsub plaintext", "api.pubsub.salesforce.com:7443", "http://pubsub.example:7443", "19:24", "unencrypted", "loopback"},
	{"CA file missing", `ca_file: ""`, "ca_file: /nonexistent/ca.pem", "20:16", "does not exist", "correct the path"},
	{"CA file without certificate", `ca_file: ""`, "ca_file: ${CREDENTIALS_DIRECTORY}/secret", "20:16", "no PEM certificate", "BEGIN CERTIFICATE"},
	{"CA file damaged", `ca_file: ""`, "ca_file: ${CREDENTIALS_DIRECTORY}/badcert.pem", "20:16", "certificate 1 in the file", "anew"},
	{"budget", "calls_per_day: 5000", "calls_per_day: -1", "21:31", "-1 is out of range", "no budget"},
	{"reserve", "reserve_percent: 20", "reserve_percent: 100", "21:54", "100 is out of range", "0 to 95"},
}

func TestMistakes(t *testing.T) {
	dir := credentials(t)
	if _, err := load("config.yaml", []byte(whole), environment(dir), now); err != nil {
		t.Fatalf("the correct file: %v", err)
	}
	names := map[string]bool{}
	for _, tc := range mistakes {
		t.Run(tc.name, func(t *testing.T) {
			if names[tc.name] {
				t.Fatal("two rows have this name")
			}
			names[tc.name] = true
			text := tc.new
			if tc.old != "" {
				if text = strings.Replace(whole, tc.old, tc.new, 1); text == whole {
					t.Fatal("the row changes nothing")
				}
			}
			c, err := load("config.yaml", []byte(text), environment(dir), now)
			ps, ok := errors.AsType[Problems](err)
			if c != nil || !ok {
				t.Fatalf("got %v, want problems", err)
			}
			got, _, _ := strings.Cut(ps[0].Error(), "\n")
			what, how, _ := strings.Cut(got, " — ")
			if !strings.HasPrefix(got, "config.yaml:"+tc.place) || !strings.Contains(what, tc.what) || !strings.Contains(how, tc.how) {
				t.Errorf("got  %s\nwant config.yaml:%s… %s… — …%s…", got, tc.place, tc.what, tc.how)
			}
			if len(ps) > 2 {
				t.Errorf("one mistake gave %d problems:\n%v", len(ps), err)
			}
			for _, secret := range []string{"hunter2", "0123456789abcdef", "MIIEv", "s3cret"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("a secret shows:\n%v", err)
				}
			}
			if ps[0].Excerpt == "" && text != "" {
				t.Error("no excerpt")
			}
		})
	}
	if len(names) < 60 {
		t.Errorf("only %d mistakes", len(names))
	}
}
