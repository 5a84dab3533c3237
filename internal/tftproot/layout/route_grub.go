package layout

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A grubRun is how far a grub.cfg was followed. What a variable is that is missing
// here is not known.
type grubRun struct {
	m      machine
	known  map[string]string
	within []condition
}

// hostname stands for the name that DHCP gives: a script reads it off one variable of
// several, of which the others are empty.
const hostname = "\ue000"

var hostnames, grubHostname = regexp.MustCompile(hostname + "+"), regexp.MustCompile(`^net_\w+_hostname$`)

// grubVariable matches a variable as GRUB takes it, with its name as the first or the
// second part.
var grubVariable = regexp.MustCompile(`\$(?:\{(\w+)\}|(\w+|\?))`)

// expand is a word with what its variables are, or not ok where one is not known.
func (r *grubRun) expand(word string) (text string, ok bool) {
	if strings.HasPrefix(word, "'") {
		return strings.Trim(word, "'"), true
	}
	ok = true
	text = grubVariable.ReplaceAllStringFunc(strings.ReplaceAll(word, `"`, ""), func(variable string) string {
		name := strings.Trim(variable, "${}")
		value, known := r.known[name]
		if !known && grubHostname.MatchString(name) {
			value, known = hostname, true
		}
		ok = ok && known
		return value
	})
	return hostnames.ReplaceAllString(text, r.m.Name), ok
}

// grubWords matches the words of a command.
var grubWords = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|\\.|[^\s'"])+`)

// grubCommands are those of a text; what a menu or a function has is not run.
func grubCommands(text string) (commands [][]string) {
	depth := 0
	for _, line := range commandLines(strings.ReplaceAll(text, "\\\n", " ")) {
		for _, command := range cutCommands(line) {
			words := grubWords.FindAllString(command, -1)
			if len(words) == 0 {
				continue
			}
			deep := depth
			switch {
			case words[len(words)-1] == "{":
				depth++
				continue
			case words[0] == "}":
				depth--
				continue
			}
			if deep == 0 {
				commands = append(commands, words)
			}
		}
	}
	return commands
}

// cutCommands parts a line at semicolons that are not quoted.
func cutCommands(line string) (commands []string) {
	var quote rune
	from := 0
	for i, c := range line {
		switch {
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == quote:
			quote = 0
		case quote == 0 && c == ';':
			commands, from = append(commands, line[from:i]), i+1
		}
	}
	return append(commands, line[from:])
}

// route follows what is sure: commands in a row, and of conditions those that ask
// whether something is there or set. GRUB goes on where a file is not there.
func (g grubScript) route(l *Loader, text string, m machine) (route Route) {
	r := &grubRun{m: m, known: map[string]string{"net_default_mac": m.mac.String(), "prefix": "/" + l.place("."), "root": "tftp"}}
	for _, words := range grubCommands(text) {
		if words = r.branch(words); len(words) == 0 || slices.ContainsFunc(r.within, func(c condition) bool { return !c.holds }) {
			continue
		}
		doubt := false
		switch words[0] {
		case "if":
			c, known := r.condition(words[1:])
			r.within, doubt = append(r.within, c), !known
		case "elif", "while", "until", "for", "eval":
			doubt = true
		case "configfile", "source", ".", "normal", "extract_entries_configfile":
			file, known := r.expand(words[len(words)-1])
			p, there := r.file(file)
			if doubt = len(words) != 2 || !known || r.only() != "" && p != r.only(); there && !doubt {
				route.Paths = appendNew(route.Paths, p)
			}
		case "exit", "boot", "halt", "reboot", "return":
			if r.only() == "" {
				return route
			}
		default:
			r.set(words)
		}
		if doubt {
			route.Doubt = strings.Join(words, " ")
			return route
		}
	}
	return route
}

// A condition is one that commands stand under.
type condition struct {
	holds bool
	file  string // that it asks for; then what is under it is for where that is there
	over  bool   // "else" was
}

// branch begins and ends what stands under conditions, and leaves the command.
func (r *grubRun) branch(words []string) []string {
	for len(words) > 0 {
		last := len(r.within) - 1
		switch words[0] {
		case "then", "do":
		case "else":
			if last >= 0 {
				c := &r.within[last]
				c.holds, c.over = !c.holds || c.file != "", true
			}
		case "fi":
			r.within = r.within[:max(0, last)]
		case "if":
			if slices.ContainsFunc(r.within, func(c condition) bool { return !c.holds }) {
				r.within = append(r.within, condition{})
			}
			return words
		default:
			return words
		}
		words = words[1:]
	}
	return nil
}

// only is the one file that a command is for, as it asked whether that is there. To
// go on to that is to ask as well.
func (r *grubRun) only() string {
	for _, c := range r.within {
		if c.file != "" && !c.over {
			return c.file
		}
	}
	return ""
}

// file is a path below the TFTP root, or not there for one of another device.
func (r *grubRun) file(p string) (string, bool) {
	if device, rest, ok := strings.Cut(p, ")"); ok && strings.HasPrefix(p, "(") {
		if device != "(" && !strings.HasPrefix(device, "(tftp") && !strings.HasPrefix(device, "(pxe") {
			return "", false
		}
		p = rest
	}
	p = inRoot(".", p)
	return p, p != ""
}

// condition is what is asked, or not known.
func (r *grubRun) condition(words []string) (c condition, known bool) {
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "[" || w == "]" || w == "test" })
	switch len(words) {
	case 1:
		return condition{holds: words[0] == "true"}, words[0] == "true" || words[0] == "false"
	case 2:
		value, known := r.expand(words[1])
		switch words[0] {
		case "-e", "-f", "-s":
			file, there := r.file(value)
			return condition{holds: true, file: file}, known && there
		case "-n":
			return condition{holds: value != ""}, known
		case "-z":
			return condition{holds: value == ""}, known
		}
	}
	return condition{}, false
}

// set notes what a command makes of variables.
func (r *grubRun) set(words []string) {
	assign := func(name, value string, known bool) {
		delete(r.known, name)
		if known {
			r.known[name] = value
		}
	}
	switch words[0] {
	case "regexp":
		r.match(words[1:], assign)
	case "smbios":
		args := strings.ReplaceAll(strings.Join(words[1:], " "), "--set=", "--set ")
		_, name, _ := strings.Cut(args, "--set ")
		name, _, _ = strings.Cut(name, " ")
		uuid := strings.Contains(args, "--get-uuid 8") || strings.Contains(args, "-u 8")
		assign(name, r.m.UUID.String(), uuid && !r.m.UUID.IsZero())
		if strings.Contains(args, "--get-string 7") || strings.Contains(args, "-s 7") {
			assign(name, r.m.Serial, r.m.Serial != "")
		}
	case "search":
		clear(r.known) // of another device
	default:
		if words[0] == "set" {
			words = words[1:]
		} else {
			words = words[:1]
		}
		for _, word := range words {
			if name, value, ok := strings.Cut(word, "="); ok {
				value, known := r.expand(value)
				assign(name, value, known)
			}
		}
	}
}

// match is the command "regexp".
func (r *grubRun) match(words []string, assign func(name, value string, known bool)) {
	names := map[int]string{}
	var args []string
	for i := 0; i < len(words); i++ {
		to, isSet := strings.CutPrefix(words[i], "--set=")
		if words[i] == "--set" || words[i] == "-s" {
			if i++; i == len(words) {
				return
			}
			to, isSet = words[i], true
		}
		if !isSet {
			args = append(args, words[i])
			continue
		}
		number, name, ok := strings.Cut(to, ":")
		if !ok {
			number, name = "1", to
		}
		if n, err := strconv.Atoi(number); err == nil {
			names[n] = name
		}
	}
	var found []string
	if len(args) == 2 {
		pattern, known := r.expand(args[0])
		value, alsoKnown := r.expand(args[1])
		if form, err := regexp.CompilePOSIX(pattern); err == nil && known && alsoKnown {
			found = form.FindStringSubmatch(value)
		}
	}
	for n, name := range names {
		if n < len(found) {
			assign(name, found[n], true)
		} else {
			assign(name, "", false)
		}
	}
}
