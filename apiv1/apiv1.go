// Package apiv1 is version 1 of the HTTP API as Go types and as OpenAPI: the
// contract that the server and the client share. openapi.yaml, written by hand,
// is the reference; tests hold the server, these types and it together.
package apiv1

import _ "embed"

// OpenAPI is the contract as an OpenAPI 3.1 document.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Error is the body of every answer of status 400 and above.
type Error struct {
	Message string `json:"message"`
}

// Configurations is the answer of GET /v1/configurations.
type Configurations struct {
	Configurations []Configuration `json:"configurations"`
}

// Configuration is a boot configuration in a list.
type Configuration struct {
	Name        string   `json:"name"`
	Bootloaders []string `json:"bootloaders,omitempty"` // where the site declares bootloaders
}

// ConfigurationContent is the answer of GET /v1/configurations/{name}.
type ConfigurationContent struct {
	Name     string    `json:"name"`
	Content  string    `json:"content"` // of the first variant, or of the one asked for
	Variants []Variant `json:"variants,omitempty"`
}

// Variant is what a configuration contains for one bootloader.
type Variant struct {
	Bootloader string `json:"bootloader"`
	Content    string `json:"content"`
}

// Bootloaders is the answer of GET /v1/bootloaders.
type Bootloaders struct {
	Bootloaders []Bootloader `json:"bootloaders"`
}

// Bootloader is a declared bootloader.
type Bootloader struct {
	Name       string   `json:"name"`
	Kind       string   `json:"kind,omitempty"`
	File       string   `json:"file,omitempty"`
	ConfigPath string   `json:"configPath,omitempty"`
	Links      []string `json:"links"` // templates, below the TFTP root
}

// Host is a host with what its links say. GET /v1/hosts answers a plain array
// of them, GET /v1/hosts/{name} one.
type Host struct {
	Name          string            `json:"name"`
	MACAddresses  []string          `json:"macAddresses"`
	Configuration *ConfigurationRef `json:"configuration"` // null unless State is "configured"
	State         string            `json:"state"`
	Canonical     bool              `json:"canonical"` // switches as a whole by one rename per loader
	Links         []Link            `json:"links"`
	Labels        map[string]string `json:"labels,omitempty"`
	Bootloaders   []string          `json:"bootloaders,omitempty"` // the only ones that count
	IPMI          *IPMI             `json:"ipmi,omitempty"`
	PowerState    string            `json:"powerState,omitempty"`   // On, Off or Unknown; empty where nothing drives the power
	PowerStateAt  string            `json:"powerStateAt,omitempty"` // RFC 3339, UTC: when PowerState was learnt; empty when never
	PowerProblem  string            `json:"powerProblem,omitempty"` // why PowerState is Unknown
	Armed         *Arming           `json:"armed,omitempty"`        // nil where it boots that for good
	LastFetch     *LastFetch        `json:"lastFetch,omitempty"`    // over HTTP, since the server started; of one host only, not in lists
}

// ConfigurationRef names a configuration.
type ConfigurationRef struct {
	Name string `json:"name"`
}

// IPMI tells where the BMC of a host is. It never tells credentials.
type IPMI struct {
	MACAddress string `json:"macAddress,omitempty"`
	Hostname   string `json:"hostname,omitempty"` // as configured, or the address that was found
}

// Link is one name that a loader of a host asks for.
type Link struct {
	Bootloader    string   `json:"bootloader"`
	MACAddress    string   `json:"macAddress,omitempty"` // empty where no MAC address is part of the name
	Path          string   `json:"path"`                 // below the TFTP root
	Target        string   `json:"target,omitempty"`     // text of the symbolic link
	State         string   `json:"state"`
	Configuration string   `json:"configuration,omitempty"`
	Through       []string `json:"through,omitempty"` // links that it leads through
}

// HostRef names a host in a request: by name, by MAC address, or by both, which
// must then agree.
type HostRef struct {
	Name       string `json:"name,omitempty"`
	MACAddress string `json:"mac_address,omitempty"` // "macAddress" means the same
	Reboot     bool   `json:"reboot,omitempty"`      // deploy only: reboot it over the network at once
	// The next are of deploys only, which are one-shot with Then, or where the
	// settings of the configuration have one.
	Then         string `json:"then,omitempty"`         // configuration that it is switched to when its installer is done
	Within       string `json:"within,omitempty"`       // time that its installer has, such as "4h"
	OnTimeout    string `json:"onTimeout,omitempty"`    // "switch" when that is over, or "keep"
	OnPowerError string `json:"onPowerError,omitempty"` // "back" to what it booted before where it cannot be rebooted, or "keep"
	Permanent    bool   `json:"permanent,omitempty"`    // for good, whatever the settings say
}

// Change is the body of PUT /v1/configurations/{name}/deploy, PUT /v1/clear and
// PUT /v1/repair.
type Change struct {
	Hosts         []HostRef `json:"hosts,omitempty"`
	All           bool      `json:"all,omitempty"`           // repair only: every host
	DryRun        bool      `json:"dryRun,omitempty"`        // answer the plan, change nothing
	SkipRefused   bool      `json:"skipRefused,omitempty"`   // do what can be done, report the rest
	DropUncovered bool      `json:"dropUncovered,omitempty"` // deploy only
	Force         bool      `json:"force,omitempty"`         // deploy and clear only
	AllAtOnce     bool      `json:"allAtOnce,omitempty"`     // deploy only: reboot more than 16 hosts with one request
	Verify        *bool     `json:"verify,omitempty"`        // deploy only: see what the TFTP servers give before anything is rebooted; absent for deploy.verify of the file
}

// Outcome is the answer to a Change where there is one to show: with "Prefer:
// return=representation", DryRun, SkipRefused or a host to reboot.
type Outcome struct {
	Hosts   []HostOutcome `json:"hosts"`
	Steps   []Step        `json:"steps,omitempty"`   // of a dry run
	Problem string        `json:"problem,omitempty"` // what went wrong after every link was switched, such as deploy.after_switch
	Entry   int64         `json:"entry,omitempty"`   // of an undo: its own entry of the journal, by which it can be undone
}

// HostOutcome tells what was done to one host.
type HostOutcome struct {
	Name          string   `json:"name"`
	Configuration string   `json:"configuration"` // empty when cleared
	Rebooted      string   `json:"rebooted"`      // YES, NO or ERROR
	Refused       string   `json:"refused,omitempty"`
	Problem       string   `json:"problem,omitempty"`  // why Rebooted is ERROR, or what to know about a YES
	Served        string   `json:"served,omitempty"`   // YES or NO, where it was looked for (Verify)
	Unserved      string   `json:"unserved,omitempty"` // why Served is NO: what came instead, or why a server could not be asked
	Armed         *Arming  `json:"armed,omitempty"`    // nil where it boots that for good
	Ended         *OneShot `json:"ended,omitempty"`    // what it was to boot once before, which ends by this
	Warnings      []string `json:"warnings,omitempty"` // where it was looked for: what may change what the machine gets and is not known here
}

// Step is one rename of a plan.
type Step struct {
	Host       string `json:"host"`
	Bootloader string `json:"bootloader"`
	Path       string `json:"path"`              // below the TFTP root
	Was        string `json:"was,omitempty"`     // text of the link before; empty when there was none
	Becomes    string `json:"becomes,omitempty"` // text after; empty when it goes
	Keep       string `json:"keep,omitempty"`    // where a file in the way is kept
}

// Explanation is the answer of GET /v1/hosts/{name}/explain.
type Explanation struct {
	Name          string            `json:"name"`
	Configuration *ConfigurationRef `json:"configuration"` // as deployed; null unless State is "configured"
	State         string            `json:"state"`
	AsDeployed    bool              `json:"asDeployed"` // every search ends at the configuration, and every TFTP server that was asked gives just that
	Searches      []Search          `json:"searches"`
}

// Search is what one loader asks for when the host boots by one network card.
type Search struct {
	Bootloader    string         `json:"bootloader"`
	MACAddress    string         `json:"macAddress"`
	Source        string         `json:"source"` // what says that the loader asks so
	Setup         *Setup         `json:"setup,omitempty"`
	Asks          []Ask          `json:"asks"`                    // all of the order, whatever wins
	Wins          string         `json:"wins,omitempty"`          // path of what the machine gets; empty when nothing
	InChroot      *string        `json:"inChroot,omitempty"`      // Wins for a TFTP server in a chroot, where that differs; empty when nothing
	Unsure        bool           `json:"unsure,omitempty"`        // it may get something else, by what is not known; Reasons tell what
	Configuration string         `json:"configuration,omitempty"` // that it gets
	Content       string         `json:"content,omitempty"`       // of what it gets
	Reasons       []string       `json:"reasons,omitempty"`       // why that is not what was deployed
	Warnings      []string       `json:"warnings,omitempty"`
	Servers       []Verification `json:"servers,omitempty"` // with ?verify=true
}

// Setup is what a loader needs besides the links of hosts.
type Setup struct {
	Path string `json:"path,omitempty"` // below the TFTP root; empty where that is the site's choice
	Text string `json:"text"`
	Done bool   `json:"done"` // it is there, as far as can be told
}

// Ask is one step of a search.
type Ask struct {
	Paths         []string `json:"paths"` // one of them is asked for
	By            string   `json:"by"`    // uuid, mac, ip, serial, name, script or default
	Asked         bool     `json:"asked"` // false after what wins
	Unknown       bool     `json:"unknown,omitempty"`
	Pattern       string   `json:"pattern,omitempty"` // of the names, where Unknown; then Paths are those that exist
	Found         string   `json:"found"`             // absent, broken, unreadable, not a file, empty, unchrooted or readable
	Path          string   `json:"path,omitempty"`    // which of Paths is there
	Through       []string `json:"through,omitempty"` // links, and the file at their end
	Configuration string   `json:"configuration,omitempty"`
	Note          string   `json:"note,omitempty"`
}

// Verification is what one TFTP server really gave.
type Verification struct {
	Server  string   `json:"server"`
	Served  bool     `json:"served"`
	Got     string   `json:"got,omitempty"`     // what came instead, in words
	Asked   []string `json:"asked,omitempty"`   // the names that it was asked for, in order
	Problem string   `json:"problem,omitempty"` // why it could not be asked
}

// LastFetch is what a host fetched over HTTP last.
type LastFetch struct {
	At            string `json:"at"`              // RFC 3339, UTC
	Path          string `json:"path"`            // of the request
	By            string `json:"by"`              // address of who asked
	Agent         string `json:"agent,omitempty"` // as that calls itself
	Bootloader    string `json:"bootloader,omitempty"`
	Configuration string `json:"configuration,omitempty"`
	Status        int    `json:"status"` // of the answer
}

// Power is the answer of GET /v1/hosts/{name}/power.
type Power struct {
	Name       string `json:"name"`
	PowerState string `json:"powerState"`        // On or Off
	Address    string `json:"address,omitempty"` // of the BMC that says so, where known
}

// PowerOptions are the query parameters of PATCH /v1/hosts/{name}/on, /off,
// /reboot and /cycle.
type PowerOptions struct {
	Soft bool   // off only: ask the operating system to shut down
	Next string // all but off: what the machine boots from the next time, once: pxe, disk or bios (the setup)
}

// Discovery is the answer of PATCH /v1/discovery with "Prefer:
// return=representation".
type Discovery struct {
	Subnets []SubnetSweep `json:"subnets"`
}

// SubnetSweep tells what a sweep found in one subnet.
type SubnetSweep struct {
	Subnet     string       `json:"subnet"`
	Method     string       `json:"method,omitempty"` // "arp" or "kernel"; empty where nobody was asked
	Asked      int          `json:"asked"`            // addresses
	Answered   int          `json:"answered"`         // addresses
	Found      []FoundBMC   `json:"found"`
	Missing    []MissingBMC `json:"missing"`
	Duplicates []string     `json:"duplicates"`     // what was seen twice, in words
	Note       string       `json:"note,omitempty"` // what may be wrong with the figures, and why
	Seconds    float64      `json:"seconds"`
	Problem    string       `json:"problem,omitempty"` // why it was not swept, and what to do
}

// FoundBMC is a BMC that a sweep found.
type FoundBMC struct {
	MACAddress string   `json:"macAddress"`
	Address    string   `json:"address"`
	Hosts      []string `json:"hosts"` // whose BMC it is
}

// MissingBMC is a BMC that was wanted in a subnet and did not answer there.
type MissingBMC struct {
	MACAddress string   `json:"macAddress"`
	Hosts      []string `json:"hosts"` // whose BMC it is
}

// PowerResult is the header of the answer to PATCH /v1/hosts/{name}/on, /off,
// /reboot and /cycle that says, by ResultAccepted, that nobody looked whether what
// was accepted happened.
const (
	PowerResult    = "X-Power-Result"
	ResultAccepted = "accepted"
)

// DiscoveryProgress is the answer of GET /v1/discovery.
type DiscoveryProgress struct {
	Running bool `json:"running"`
	Asked   int  `json:"asked"` // addresses, of the sweep that is under way or of the last one
	Of      int  `json:"of"`
	Found   int  `json:"found"` // BMCs
	Wanted  int  `json:"wanted"`
}

// Health is the answer of GET /v1/health.
type Health struct {
	Status string `json:"status"`           // "ok", "degraded" or "failing"
	Reload string `json:"reload,omitempty"` // why the configuration file could not be reloaded
	Root   string `json:"root,omitempty"`   // why the TFTP root cannot be read
}
