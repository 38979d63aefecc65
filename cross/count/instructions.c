/* A plugin for qemu-user 7.2 or later that prints the number of executed instructions at exit.
 * cc -shared -fPIC -O2 -o instructions.so instructions.c; qemu-aarch64 -plugin instructions.so PROGRAM */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/* Debian does not package the header of the plugin interface; this is the part of version 1 that is used here. */
typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, enum qemu_plugin_op, void *, uint64_t);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t executed;

/* Counts a translation block, which is executed as a whole. */
static void block(qemu_plugin_id_t id, struct qemu_plugin_tb *instructions) {
	(void)id;
	qemu_plugin_register_vcpu_tb_exec_inline(instructions, QEMU_PLUGIN_INLINE_ADD_U64, &executed,
		qemu_plugin_tb_n_insns(instructions));
}

static void report(qemu_plugin_id_t id, void *unused) {
	(void)id, (void)unused;
	fprintf(stderr, "instructions: %" PRIu64 "\n", executed);
}

__attribute__((visibility("default"))) int qemu_plugin_install(
	qemu_plugin_id_t id, const void *machine, int count, char **arguments) {
	(void)machine, (void)count, (void)arguments;
	qemu_plugin_register_vcpu_tb_trans_cb(id, block);
	qemu_plugin_register_atexit_cb(id, report, NULL);
	return 0;
}
