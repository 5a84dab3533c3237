package config

import (
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// redfish reads how the BMC of a host is reached by Redfish.
func (r *reader) redfish(n *yaml.Node, e *entry) *pxepilot.Redfish {
	b := &pxepilot.Redfish{}
	var insecure *yaml.Node // the value
	f := append(make(fields, 0, 9),
		field{key: "url", read: func(v *yaml.Node) {
			b.URL = r.serviceURL(v)
			e.bmc = r.at(follow(v))
		}},
		field{key: "ca_file", read: func(v *yaml.Node) {
			if s, ok := r.word(v, "ca_file"); ok {
				b.CAFile = r.beside(s)
				r.files = append(r.files, file{b.CAFile, r.at(follow(v)), true})
			}
		}},
		field{key: "fingerprint", read: func(v *yaml.Node) { b.Fingerprint = r.fingerprint(v) }},
		field{key: "insecure", read: func(v *yaml.Node) {
			if b.Insecure = r.choice(v, "insecure", "true", "false") == "true"; b.Insecure {
				insecure = follow(v)
			}
		}},
		field{key: "system", read: func(v *yaml.Node) { b.System, _ = r.word(v, "system") }})
	f = r.credentials(f, &b.Credentials, "Redfish", 0, 0)
	if !r.object(n, "redfish", f) {
		return nil
	}
	if f.at("url") == nil {
		r.wrong(n, "redfish does not say where the BMC is; add url, such as https://10.0.0.5")
	}
	r.oneSource(f)
	r.trust(f, b, insecure)

	password := f.at("password") != nil || f.at("password_file") != nil || f.at("password_env") != nil
	switch username := f.at("username"); {
	case username == nil && password:
		r.wrong(n, "redfish has a password but no username; add username")
	case username != nil && !password:
		r.wrong(username, "redfish has a username but no password; add password_file, password_env or password")
	}
	return b
}

// trust compares what says which certificate is believed.
func (r *reader) trust(f fields, b *pxepilot.Redfish, insecure *yaml.Node) {
	plain := strings.HasPrefix(b.URL, "http:")
	if insecure == nil { // or told to be false, which contradicts nothing
		r.oneOf(f, "ca_file", "fingerprint")
	} else {
		r.oneOf(f, "ca_file", "fingerprint", "insecure")
	}
	switch {
	case plain && insecure != nil:
		r.warn(r.at(insecure), "the password goes over the network in clear, where everyone on its way can read it; use https where the BMC can")
	case plain:
		r.wrong(f.at("url"), "http sends the password in clear; use https, or say insecure: true if that is meant")
	case insecure != nil:
		r.warn(r.at(insecure), "the BMC's certificate is not looked at, so that anyone in its place learns the password; give its fingerprint instead")
	}
}

// serviceURL is the URL of a service, as scheme and host. It is never repeated in
// a message: what does not belong there may be a password.
func (r *reader) serviceURL(n *yaml.Node) string {
	s, ok := r.word(n, "url")
	if !ok {
		return ""
	}
	n = follow(n)
	u, err := url.Parse(s)
	switch {
	case strings.Contains(s, "@"):
		r.wrong(n, "url holds a user or a password; they go into username and password_file")
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Opaque != "":
		r.wrong(n, "url is not that of a service; want one such as https://10.0.0.5")
	case !isEndpoint(u.Hostname()):
		r.wrong(n, "url has no host, or one that is neither a name nor an IP address; want one such as https://10.0.0.5")
	case !isPort(u):
		r.wrong(n, "url has a port that is none; want a number from 1 to 65535")
	case strings.ContainsAny(s, "?#"), strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/redfish/v1") != "":
		r.wrong(n, "url has more than a host and a port; every Redfish service is below /redfish/v1, so leave the rest out")
	default:
		return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
	}
	return ""
}

// isPort says whether the URL's port is one, where it has any.
func isPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	port, err := strconv.Atoi(u.Port())
	return err == nil && port >= 1 && port <= 65535
}

// fingerprint is a SHA-256 sum, as 64 digits in lower case.
func (r *reader) fingerprint(n *yaml.Node) string {
	s, ok := r.word(n, "fingerprint")
	if !ok {
		return ""
	}
	bare := strings.ToLower(strings.ReplaceAll(s, ":", ""))
	if sum, err := hex.DecodeString(bare); err != nil || len(sum) != 32 {
		r.wrong(follow(n), "fingerprint is not a SHA-256 sum; want 64 hexadecimal digits, with or without colons, as \"openssl x509 -noout -fingerprint -sha256\" prints them")
		return ""
	}
	return bare
}
