# Builds static libcrypto.a and libssl.a of BoringSSL from an unpacked Debian source tree, in the build root;
# for tools/root.
#
#   make -f boringssl.mk SRC=<source tree> OUT=<folder> PREFIX=<for include/ and lib/> [DEFINES=...] install
#
# Debian's own build sets OPENSSL_SMALL, which leaves the P-256 assembly and its tables out and makes P-256
# three times slower; it also makes a shared library. We want neither. The source carries the generated
# assembly and error table, so Go is not needed. libssl (TLS to a session store) is C++ that needs no C++
# library at run time.

include $(SRC)/sources.mk

ARCH := $(shell uname -m)
ifeq ($(ARCH),x86_64)
asm_sources := $(linux_x86_64_sources)
else ifeq ($(ARCH),aarch64)
asm_sources := $(linux_aarch64_sources)
else
$(error no BoringSSL assembly list for $(ARCH))
endif

CC := clang-19
CFLAGS := -std=gnu11 -O2 -g1 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections \
    -fstack-protector-strong -D_XOPEN_SOURCE=700 -DBORINGSSL_IMPLEMENTATION -DNDEBUG -I$(SRC)/src/include \
    $(DEFINES)

CXX := clang++-19
CXXFLAGS := $(filter-out -std=gnu11,$(CFLAGS)) -std=c++17 -fno-exceptions -fno-rtti \
    -fvisibility-inlines-hidden

ssl_objects := $(patsubst $(SRC)/%.cc,$(OUT)/%.o,$(filter-out %_test.cc,$(wildcard $(SRC)/src/ssl/*.cc)))
c_objects := $(patsubst %.c,$(OUT)/%.o,$(filter %.c,$(crypto_sources)))
s_objects := $(patsubst %.S,$(OUT)/%.o,$(filter %.S,$(crypto_sources) $(asm_sources)))

$(OUT)/libcrypto.a: $(c_objects) $(s_objects)
	@rm -f $@
	@ar rcs $@ $^

$(OUT)/libssl.a: $(ssl_objects)
	@rm -f $@
	@ar rcs $@ $^

$(ssl_objects): $(OUT)/%.o: $(SRC)/%.cc
	@mkdir -p $(@D)
	@$(CXX) $(CXXFLAGS) -c $< -o $@

$(c_objects): $(OUT)/%.o: $(SRC)/%.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -c $< -o $@

$(s_objects): $(OUT)/%.o: $(SRC)/%.S
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -c $< -o $@

install: $(OUT)/libcrypto.a $(OUT)/libssl.a
	@mkdir -p $(PREFIX)/lib $(PREFIX)/include
	@cp $^ $(PREFIX)/lib/
	@cp -r $(SRC)/src/include/openssl $(PREFIX)/include/
	@cp $(SRC)/BORINGSSL_REVISION $(SRC)/src/LICENSE $(PREFIX)/

.PHONY: install
