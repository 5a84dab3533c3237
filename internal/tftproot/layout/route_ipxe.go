package layout

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// An ipxeRun is how far a script of iPXE was followed.
type ipxeRun struct {
	l     *Loader
	m     machine
	known map[string]string
}

// server stands for the address of the TFTP server, which does not matter.
const server = "server"

// ipxeVariable matches a variable as iPXE takes it: a setting, and perhaps its type.
var ipxeVariable = regexp.MustCompile(`\$\{([^}:]*)(?::([^}]*))?\}`)

// expand is a text with what its variables are, or not ok where one is not known.
func (r *ipxeRun) expand(text string) (string, bool) {
	ok := true
	text = ipxeVariable.ReplaceAllStringFunc(text, func(variable string) string {
		m := ipxeVariable.FindStringSubmatch(variable)
		value, known := r.value(m[1], m[2])
		ok = ok && known
		return value
	})
	return text, ok
}

// value is a setting as the machine has it.
func (r *ipxeRun) value(setting, form string) (value string, known bool) {
	if value, known := r.known[setting]; known {
		return value, form == "" || form == "string" || form == "uristring"
	}
	device, name := path.Split(setting)
	// The first network card is the one that boots where there is no other.
	ours := device == "" || device == "netX/" || device == "net0/" && len(r.m.MACs) == 1 && len(r.m.IdentityMACs) == 0
	switch {
	case name == "next-server" || name == "dhcp-server":
		return server, true
	case !ours && name != "uuid" && name != "serial":
		return "", false
	}
	switch name + ":" + form {
	case "mac:", "mac:hex":
		return r.m.mac.String(), true
	case "mac:hexhyp":
		return r.m.mac.Dashed(), true
	case "mac:hexraw":
		return r.m.mac.Bare(), true
	case "uuid:", "uuid:uuid":
		return r.m.UUID.String(), !r.m.UUID.IsZero()
	case "serial:", "serial:uristring", "serial:string":
		return r.m.Serial, r.m.Serial != ""
	case "hostname:", "hostname:uristring", "hostname:string":
		return r.m.Name, true
	case "ip:", "ip:ipv4":
		return r.m.IP.String(), r.m.IP.IsValid()
	case "cwduri:":
		return "tftp://" + server + "/" + path.Dir(r.l.file) + "/", true
	}
	return "", false
}

// mostLines is how far a script is followed, which may go in circles.
const mostLines = 1000

// ipxeOperators part a line, with a space on both sides.
var ipxeOperators = regexp.MustCompile(`\s(\|\||&&)(?:\s|$)`)

// route follows a script as long as it is known how a command ends. A "chain" to a
// file that is there does not come back, so that it is followed as if it were not: a
// script ends at a command that fails, unless "||" stands behind it.
func (ipxeScript) route(l *Loader, text string, m machine) (route Route) {
	r := &ipxeRun{l, m, map[string]string{}}
	lines := commandLines(text)
	for at, n := 0, 0; at < len(lines); at, n = at+1, n+1 {
		line := lines[at]
		if strings.HasPrefix(line, ":") {
			continue
		}
		if n > mostLines {
			route.Doubt = line
			return route
		}
		ends := ipxeOperators.FindAllStringSubmatchIndex(line, -1)
		succeeded, operator, from := true, "", 0
		for i := 0; i <= len(ends); i++ {
			to, next := len(line), len(line)
			nextOperator := ""
			if i < len(ends) {
				to, next, nextOperator = ends[i][0], ends[i][1], line[ends[i][2]:ends[i][3]]
			}
			words := strings.Fields(line[from:max(from, to)])
			from = next
			if run := operator == "" || succeeded == (operator == "&&"); run && len(words) > 0 {
				did := r.do(words, &route)
				switch {
				case did == unknown:
					route.Doubt = strings.Join(words, " ")
					return route
				case did == over:
					return route
				case did == jumps:
					to := slices.Index(lines, ":"+words[len(words)-1])
					if to < 0 {
						route.Doubt = strings.Join(words, " ")
						return route
					}
					at = to
				}
				if succeeded = did != fails; did == jumps {
					break
				}
			} else if run {
				succeeded = true
			}
			operator = nextOperator
		}
		if !succeeded {
			return route
		}
	}
	return route
}

// How a command ends.
type ending int

const (
	succeeds ending = iota
	fails
	over    // the script does not go on
	jumps   // to a label
	unknown // nobody knows
)

// do runs a command.
func (r *ipxeRun) do(words []string, route *Route) ending {
	var args []string // but for options
	for _, w := range words[1:] {
		if !strings.HasPrefix(w, "-") {
			args = append(args, w)
		}
	}
	switch words[0] {
	case "chain", "imgexec", "boot":
		if len(args) == 0 {
			return over
		}
		uri, known := r.expand(args[0])
		if !known {
			return unknown
		}
		p, ok := r.file(uri)
		if !ok {
			return unknown
		}
		if p != "" {
			route.Paths = appendNew(route.Paths, p)
		}
		return fails
	case "set":
		if len(words) < 2 {
			return fails
		}
		name, _, _ := strings.Cut(words[1], ":")
		delete(r.known, name)
		if value, known := r.expand(strings.Join(words[2:], " ")); known {
			r.known[name] = value
		}
	case "isset":
		if len(args) != 1 {
			return unknown
		}
		value, known := r.expand(args[0])
		if !known {
			return unknown
		}
		if value == "" {
			return fails
		}
	case "iseq":
		if len(args) != 2 {
			return unknown
		}
		a, known := r.expand(args[0])
		b, alsoKnown := r.expand(args[1])
		switch {
		case !known || !alsoKnown:
			return unknown
		case a != b:
			return fails
		}
	case "goto":
		return jumps
	case "exit", "reboot", "poweroff", "sanboot", "shell", "autoboot":
		return over
	case "#!ipxe", "echo", "dhcp", "autoconf", "ifopen", "ifconf", "imgfree", "sleep", "clear", "sync", "show", "ifstat", "route", "cpair", "colour", "console", "time",
		"kernel", "initrd", "module", "imgfetch", "imgargs", "imgload", "imgselect", "imgstat", "params", "param":
	default:
		return unknown
	}
	return succeeds
}

// file is what an address is below the TFTP root, or not ok for one elsewhere. It is
// empty where iPXE asks nobody, as it takes a colon for the end of a scheme.
func (r *ipxeRun) file(uri string) (p string, ok bool) {
	scheme, _, hasScheme := strings.Cut(uri, ":")
	if !hasScheme || strings.HasPrefix(uri, "/") {
		return inRoot(path.Dir(r.l.file), uri), true
	}
	if scheme != "tftp" && scheme != "http" && scheme != "https" {
		return "", !strings.Contains(uri, "://")
	}
	u, err := url.Parse(strings.ReplaceAll(uri, "%", "%25"))
	switch {
	case err != nil:
		return "", false
	case scheme == "tftp":
		return inRoot(".", "/"+u.Path), true
	case strings.HasPrefix(u.Path, "/tftp/"):
		return inRoot(".", strings.TrimPrefix(u.Path, "/tftp")), true
	}
	// The server gives over HTTP what the links of a host give.
	mac, err := pxepilot.ParseMAC(strings.TrimPrefix(u.Path, "/boot/"))
	if !strings.HasPrefix(u.Path, "/boot/") || err != nil || mac != r.m.mac {
		return "", false
	}
	t := r.l.templates[0]
	base, err := t.expand(r.m.Host, mac)
	return path.Join(t.dir, base), err == nil
}
