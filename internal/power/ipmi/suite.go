package ipmi

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/pxe-pilot/pxe-pilot"
)

// A suite is how a session is protected (table 22-20).
type suite struct {
	id int
	// The algorithms, as the Open Session Request proposes them (tables 13-17
	// to 13-19). Both suites encrypt by AES-CBC-128.
	authentication, integrity, confidentiality byte

	hash func() hash.Hash
	// short is how many bytes of an HMAC end a packet, and RAKP message 4.
	short int
}

// suites are those that are used, best first: the one that current BMCs have,
// then the one that every BMC must have. The others that exist encrypt nothing,
// or prove nothing.
var suites = []*suite{
	{id: 17, authentication: 3, integrity: 4, confidentiality: 1, hash: sha256.New, short: 16},
	{id: 3, authentication: 1, integrity: 1, confidentiality: 1, hash: sha1.New, short: 12},
}

// wanted is which suites to try: the one that is set, else the one that the BMC
// is known to take and then the others.
func wanted(set int, known *suite) ([]*suite, error) {
	if set < 0 {
		if known == nil {
			return suites, nil
		}
		try := []*suite{known}
		for _, s := range suites {
			if s != known {
				try = append(try, s)
			}
		}
		return try, nil
	}
	for _, s := range suites {
		if s.id == set {
			return []*suite{s}, nil
		}
	}
	return nil, &setting{fmt.Sprintf("cipher suite %d is not supported; set cipher_suite to 17 or 3, or leave it out", set)}
}

// sum is the HMAC of the parts.
func (s *suite) sum(key []byte, parts ...[]byte) []byte {
	h := hmac.New(s.hash, key)
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	return h.Sum(nil)
}

// keys are what both sides derive from a handshake.
type keys struct {
	suite *suite
	// integrity is K1 and seals packets; encryption is K2 and hides them
	// (section 13.32).
	integrity, encryption []byte
}

// handshake is what RAKP messages are computed from (sections 13.20 to 13.31).
type handshake struct {
	suite                *suite
	console, bmc         [4]byte // session numbers
	consoleRand, bmcRand [16]byte
	guid                 [16]byte
	role                 byte
	user                 string
	password             pxepilot.Secret
}

// who ends most of the sums: role, length of the name, name.
func (h *handshake) who() []byte {
	return append([]byte{h.role, byte(len(h.user))}, h.user...)
}

// proof2 is what RAKP message 2 proves: the BMC knows the password.
func (h *handshake) proof2() []byte {
	return h.suite.sum([]byte(h.password.Reveal()),
		h.console[:], h.bmc[:], h.consoleRand[:], h.bmcRand[:], h.guid[:], h.who())
}

// proof3 is what RAKP message 3 proves: so do we.
func (h *handshake) proof3() []byte {
	return h.suite.sum([]byte(h.password.Reveal()), h.bmcRand[:], h.console[:], h.who())
}

// master is the session integrity key. A BMC with a key K_G of its own uses
// that in place of the password, and so comes to another one.
func (h *handshake) master() []byte {
	return h.suite.sum([]byte(h.password.Reveal()), h.consoleRand[:], h.bmcRand[:], h.who())
}

// proof4 is what RAKP message 4 proves: the BMC came to the same key.
func (h *handshake) proof4(master []byte) []byte {
	return h.suite.sum(master, h.consoleRand[:], h.bmc[:], h.guid[:])[:h.suite.short]
}

// derive makes the keys of the session: 20 bytes of a constant each, whatever
// the hash (section 13.32).
func (h *handshake) derive(master []byte) keys {
	constant := func(b byte) []byte {
		c := make([]byte, 20)
		for i := range c {
			c[i] = b
		}
		return c
	}
	return keys{h.suite, h.suite.sum(master, constant(1)), h.suite.sum(master, constant(2))}
}
