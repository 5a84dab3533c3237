package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

// credentials adds the keys of c, which are the same for every protocol. The
// bounds are the protocol's, in bytes; 0 is none.
func (r *reader) credentials(f fields, c *pxepilot.Credentials, protocol string, longestUsername, longestPassword int) fields {
	return append(f,
		field{key: "username", read: func(v *yaml.Node) {
			c.Username, _ = r.word(v, "username")
			if longestUsername > 0 && len(c.Username) > longestUsername {
				r.wrong(follow(v), "username is longer than the %d bytes that %s takes", longestUsername, protocol)
			}
		}},
		field{key: "password", read: func(v *yaml.Node) {
			r.password = true
			s, ok := r.text(v, "password")
			switch {
			case !ok:
				return
			case s == "":
				r.wrong(follow(v), "password is empty; remove the key if there is none")
			case longestPassword > 0 && len(s) > longestPassword:
				r.wrong(follow(v), "password is longer than the %d bytes that %s takes", longestPassword, protocol)
			case strings.ContainsRune(s, 0):
				r.wrong(follow(v), "password contains a zero byte")
			}
			c.Password = pxepilot.NewSecret(s)
		}},
		field{key: "password_file", read: func(v *yaml.Node) {
			if s, ok := r.word(v, "password_file"); ok {
				c.PasswordFile = r.beside(s)
				r.files = append(r.files, file{c.PasswordFile, r.at(follow(v)), false})
			}
		}},
		field{key: "password_env", read: func(v *yaml.Node) {
			s, ok := r.text(v, "password_env")
			if ok && !variable.MatchString(s) {
				// It may be the password itself, so it is not repeated.
				r.wrong(follow(v), "password_env must be the name of an environment variable (letters, digits, _)")
			}
			c.PasswordEnv = s
		}})
}

// variable is a name of POSIX.1 section 8.1, in either case. It is a field of a
// Go template as well.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// oneOf tells where more than one of the keys is there.
func (r *reader) oneOf(f fields, keys ...string) {
	var first *yaml.Node
	for _, key := range keys {
		switch k := f.at(key); {
		case k == nil:
		case first == nil:
			first = k
		default:
			r.wrong(k, "%s contradicts %s in line %d; remove one of them", key, first.Value, r.line+first.Line)
		}
	}
}

// oneSource tells where a password has more than one source.
func (r *reader) oneSource(f fields) { r.oneOf(f, "password", "password_file", "password_env") }

// others are the permission bits of everyone but the owner and the group. A group
// may read: that is how a server that is not root gets at its file.
const others = 0o007

// openToOthers says so, and what to do.
func openToOthers(mode fs.FileMode, path string) string {
	return fmt.Sprintf("is open to everyone here (mode %04o); chmod 0600 %s, or 0640 with a group of its own", mode.Perm(), path)
}

// A file is one that the configuration names, and where.
type file struct {
	path      string
	at        place
	authority bool // it holds certificates; else a password
}

// checkFiles looks at the files that hosts name, each once, for many share one.
func (r *reader) checkFiles() {
	seen := make(map[string]bool, len(r.files))
	for _, f := range r.files {
		switch {
		case seen[f.path]:
		case f.authority:
			r.caFile(f)
		default:
			r.passwordFile(f)
		}
		seen[f.path] = true
	}
}

// passwordFile warns where a file of a password is not there, which may yet come,
// or where everyone may read it.
func (r *reader) passwordFile(f file) {
	var why string
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "does not exist; the BMC cannot be asked before it does"
	case err != nil: // the server may be allowed more than whoever checks
		return
	case !info.Mode().IsRegular():
		why = "is not a regular file, so that no password is read from it"
	case info.Mode().Perm()&others != 0:
		why = openToOthers(info.Mode(), f.path)
	default:
		return
	}
	r.warn(f.at, "password_file %s %s", pxepilot.Quote(f.path), why)
}

// caFile tells where a file of authorities cannot be used.
func (r *reader) caFile(f file) {
	_, missing := os.Stat(f.path)
	data, _, err := open(f.path)
	switch {
	case errors.Is(missing, fs.ErrNotExist):
		r.tell(f.at, "ca_file %s does not exist; put the certificate of the authority there", pxepilot.Quote(f.path))
	case err != nil:
		r.tell(f.at, "ca_file %s %s", pxepilot.Quote(f.path), message(err))
	case !x509.NewCertPool().AppendCertsFromPEM(data):
		r.tell(f.at, "ca_file %s holds no certificate in PEM form", pxepilot.Quote(f.path))
	}
}
