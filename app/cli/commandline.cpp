// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/commandline.h"

#include "core/quant/clip.h"
#include "core/quant/schemetable.h"

#include <ostream>

namespace ql::cli {
namespace {

constexpr Verb kVerbs[] = {
    {"inspect", "MODEL [--json]", "header facts: format, architecture, tensors", runInspect},
    {"stats", "MODEL [--tensor RE] [--bins N] [--json]", "statistics and histograms of weights", runStats},
    {"quantize", "MODEL (--scheme S | --policy F) [--tensor RE] [--calibration C] [--device D] [--out PATH --as FORMAT [--part I/N]] [--json]",
     "errors per tensor, and export when asked", runQuantize},
    {"plan", "MODEL (--scheme S | --policy F) --as FORMAT [--calibration C] [--out PATH] [--json]",
     "what an export would write, how long it takes and whether it fits; writes nothing",
     runPlan},
    {"policy",
     "convert IN --to DIALECT [--model MODEL] [--from DIALECT] [--out F] [--strict] | validate IN --model MODEL [--strict] [--json] | "
     "diff A B --model MODEL [--errors] [--json] | list [--json]",
     "policies from and to the recipes of other engines, checked and compared", runPolicy},
    {"calibrate", "MODEL [--text F | --import F] [--out C.safetensors|C.gguf] [--length N] [--count N] [--seed N] [--gram] [--json]",
     "statistics of what enters the linear layers, from a text or from elsewhere", runCalibrate},
    {"evaluate",
     "MODEL [--policy P | --scheme S] [--activations A] [--kv K] [--calibration C] [--text F] [--context N] [--count N] "
     "[--attribution] [--json]",
     "perplexity and KL divergence under a policy, per layer too", runEvaluate},
    {"search",
     "MODEL (--target-bpw X | --target-size S) [--measure weight|weight-size|output|kl] [--calibration C] [--candidates S;S;...] "
     "[--policy P] [--share-groups] [--front] [--out P.json] [--json]",
     "the policy with the smallest error within a size, and why", runSearch},
    {"diff", "A B [--tensor RE] [--csv F] [--json]", "how far the tensors of model B are from those of model A", runDiff},
    {"report",
     "MODEL (--policy P | --scheme S) [--calibration C] [--evaluate] [--attribution] --out F.html|F.json|F.csv",
     "policy, figures, plots and provenance in one file", runReport},
    {"devices", "[--json]", "OpenCL devices, self-test results, the one that is used", runDevices},
    {"bench", "[--values N] [--repeats N] [--json]", "speed figures of this machine, as ratios to its read bandwidth", runBench},
    {"tokenize", "MODEL [--text F] [--decode IDS] [--no-special] [--json]", "token ids of a text, or text of token ids",
     runTokenize},
    {"demo", "[MODEL] [--out FOLDER]", "the whole job on the bundled model: pictures, policy, export", runDemo},
};

void printHelp(std::ostream& out)
{
    out << "quantloupe-cli " QUANTLOUPE_VERSION " - see what quantization does to a language model\n\n"
           "Usage: quantloupe-cli VERB ...\n\n";
    for (const Verb& verb : kVerbs)
        out << "  " << verb.name << ' ' << verb.arguments << "\n      " << verb.summary << '\n';
    out << "\nMODEL is a safetensors, GGUF, NPY or NPZ file or a Hugging Face folder.\n"
           "FORMAT of --as: dequantized (safetensors in the source type), codes (safetensors with codes and scales),\n"
           "  gguf (llama.cpp), and as folders gptq, awq, compressed-tensors, bitsandbytes, mlx.\n"
           "D is auto, cpu, opencl or a device id that `devices` prints.\n"
           "A scheme S is FORMAT[,option...], for example int4,group=128,clip=mse\n  formats:";
    for (const FormatTraits& row : schemeTable())
        out << ' ' << row.name;
    out << "\n  options: sym asym, range=strict|full, tensor channel group=N, round=nearest|stochastic:SEED,\n"
           "    scale=f32|f16|bf16|e8m0|e4m3, double, imatrix, clip=METHOD with METHOD one of";
    for (const ClipMethodInfo& method : clipMethods())
        out << ' ' << method.name << (method.parameter.empty() ? "" : ":N");
    out << "\nAn activation scheme A is FORMAT[,option...], for example int8,token or int8,tensor,clip=kl\n"
           "  options: sym asym, range=strict|full, tensor channel token group=N,\n"
           "    clip=minmax|average|percentile:P|mse|kl|abs:V|abs:LO:HI\n"
           "A cache scheme K is FORMAT[,option...], for example int8 or int4,keys=channel,recent=128\n"
           "  options: values=FORMAT, sym asym, keys=token|channel, group=N, segment=N, recent=N, first=N";
    out << "\nExit codes: 0 done, 2 bad input, 3 could not write, 4 device, 1 anything else.\n";
}

} // namespace

std::span<const Verb> verbs()
{
    return kVerbs;
}

int fail(Context& context, const Error& error)
{
    context.err << "quantloupe-cli: " << error.text() << std::endl;
    return int(error.kind());
}

int runCommandLine(const QStringList& arguments, Context& context)
{
    if (arguments.isEmpty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
        printHelp(context.out);
        return 0;
    }
    if (arguments[0] == "--version") {
        context.out << "quantloupe-cli " QUANTLOUPE_VERSION "\n";
        return 0;
    }
    for (const Verb& verb : kVerbs) {
        if (arguments[0] == verb.name)
            return verb.run(arguments.mid(1), context);
    }
    std::string known;
    for (const Verb& verb : kVerbs)
        known += (known.empty() ? "" : ", ") + std::string(verb.name);
    return fail(context, {ErrorCode::InvalidArgument,
                          "unknown verb \"" + arguments[0].toStdString() + "\"; known: " + known, {}});
}

} // namespace ql::cli
