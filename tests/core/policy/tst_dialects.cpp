// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Recipe dialects: what is written reads back as the same schemes except where it says so; what engines write is read
// as they mean it; malformed recipes; texts that the engines' own parsers accepted stay as they are.
#include "baddialects.h"
#include "core/io/atomicfile.h"
#include "core/model/names.h"
#include "core/policy/dialects/dialect.h"
#include "recipemeanings.h"
#include "support/testmodels.h"

#include <QTest>

#include <algorithm>

using namespace ql;

namespace {

Scheme scheme(const std::string& text)
{
    return Scheme::parse(text).value();
}

QString text(const Error& error)
{
    return QString::fromStdString(std::string(codeName(error.code)) + ": " + error.text());
}

/// What a tensor ends up as: "as stored" or a scheme's text.
std::string outcome(const TensorInfo& tensor, const Decision& decision)
{
    const bool same = decision.scheme.format == (tensor.dtype == DType::F16 ? Format::F16 : Format::F32);
    return decision.asStored || same ? "as stored" : decision.scheme.text();
}

/// Whether one line says that a tensor of this scheme becomes that one.
bool isListed(const std::vector<std::string>& lost, const std::string& wanted, const std::string& given)
{
    return std::any_of(lost.begin(), lost.end(), [&](const std::string& line) {
        const bool said = line.find(": " + wanted + ":") != std::string::npos ||
                          line.find(": " + wanted + " with inputs") != std::string::npos;
        return said && (line.find("becomes " + given + " (") != std::string::npos ||
                        (given == "as stored" && (line.find("left unquantized") != std::string::npos ||
                                                  line.find("leaves") != std::string::npos ||
                                                  line.find("stays unquantized") != std::string::npos ||
                                                  line.find("no name") != std::string::npos)));
    });
}

struct NamedPolicy {
    const char* name;
    Policy policy;
};

Policy uniform(const char* scheme_, const char* activations = "")
{
    Policy policy;
    policy.defaultScheme = scheme(scheme_);
    if (*activations)
        policy.activations.defaultScheme = ActivationScheme::parse(activations).value();
    return policy;
}

std::vector<NamedPolicy> policies()
{
    std::vector<NamedPolicy> all{
        {"uniform INT4", uniform("int4,range=full")},
        {"uniform INT4, strict and clipped", uniform("int4,group=64,clip=mse,scale=f32")},
        {"asymmetric INT4 in groups of 64", uniform("int4,asym,group=64")},
        {"INT8 by channel", uniform("int8,channel,range=full")},
        {"NF4 as in QLoRA", uniform("nf4,double")},
        {"W8A8", uniform("int8,channel,range=full", "int8,range=full")},
        {"FP8 with inputs", uniform("fp8-e4m3", "fp8-e4m3")},
        {"NVFP4", uniform("nvfp4")},
        {"MXFP4", uniform("mxfp4")},
        {"GGUF Q4_0", uniform("q4_0")},
    };
    Policy mixed = uniform("int4,range=full");
    mixed.rules = {{"self_attn\\.v_proj", {}, -1, -1, scheme("int8,group=64,range=full"), "values are sensitive"},
                   {"layers\\.(0|3)\\.mlp\\.down_proj", {}, -1, -1, scheme("int6,range=full"), ""}};
    mixed.tensors["model.layers.1.self_attn.o_proj.weight"] = {scheme("int3,asym,group=32"), true, "kept by hand"};
    all.push_back({"mixed widths", mixed});
    Policy patterns = uniform("int4,range=full");
    patterns.rules = {{"self_attn\\.v_proj", {}, -1, -1, scheme("int8,range=full"), ""},
                      {"^model\\.layers\\.2\\..*proj", {}, -1, -1, scheme("f16"), ""}};
    all.push_back({"own patterns", patterns});
    Policy skips = uniform("nf4");
    skips.rules = {{"", {TensorRole::AttnOut}, 0, 1, scheme("f16"), ""}, {"mlp\\.gate_proj", {}, -1, -1, scheme("f16"), ""}};
    all.push_back({"skip lists", skips});
    Policy gguf = uniform("q4_0");
    gguf.rules = {{"", {TensorRole::AttnV, TensorRole::MlpDown}, 0, 1, scheme("q8_0"), ""},
                  {"", {TensorRole::Embedding}, -1, -1, scheme("q5_1"), ""},
                  {"", {TensorRole::LmHead}, -1, -1, scheme("q8_0"), ""}};
    all.push_back({"GGUF types", gguf});
    Policy head = uniform("int4,asym,group=64");
    head.rules = {{"", {TensorRole::LmHead, TensorRole::Embedding}, -1, -1, scheme("int8,asym,group=64"), ""}};
    all.push_back({"head and embedding", head});
    Policy inputs = uniform("int8,channel,range=full", "int8,range=full");
    inputs.activations.rules = {{"mlp\\.down_proj", {}, -1, -1, std::nullopt, ""}};
    inputs.kvCache.defaultScheme = KvScheme::parse("int8").value();
    all.push_back({"inputs that are kept, and a cache", inputs});
    return all;
}

} // namespace

class TestDialects : public QObject
{
    Q_OBJECT

    std::shared_ptr<const Model> m_loupe = Model::open(QL_RESOURCES "/models/loupe-3m").value();

    static Result<Policy> read(const char* dialect, std::string_view recipe, const Model* model,
                               std::vector<std::string>* warnings = nullptr)
    {
        return dialectFromId(dialect)->read({recipe, "file", model, warnings});
    }

    std::string schemeIn(const Policy& policy, const Model& model, const std::string& tensor)
    {
        const auto decisions = policy.resolve(model);
        const int index = model.indexOf(tensor);
        return decisions.ok() && index >= 0 ? outcome(model.tensors()[size_t(index)], (*decisions)[size_t(index)]) : "?";
    }

private Q_SLOTS:
    void theTableIsComplete()
    {
        QCOMPARE(dialects().size(), size_t(12));
        for (const Dialect& dialect : dialects())
            QVERIFY(dialect.write && dialect.read && !dialect.label.empty() && dialectFromId(dialect.id) == &dialect);
        QVERIFY(!dialectFromId("esperanto"));
    }

    void whatIsWrittenReadsBackTheSameExceptWhatIsListed_data()
    {
        QTest::addColumn<QByteArray>("dialect");
        QTest::addColumn<int>("policy");
        const auto all = policies();
        for (const Dialect& dialect : dialects()) {
            for (size_t i = 0; i < all.size(); ++i)
                QTest::addRow("%s: %s", dialect.id.data(), all[i].name)
                    << QByteArray(dialect.id.data(), qsizetype(dialect.id.size())) << int(i);
        }
    }
    void whatIsWrittenReadsBackTheSameExceptWhatIsListed()
    {
        QFETCH(QByteArray, dialect);
        QFETCH(int, policy);
        const Policy wanted = policies()[size_t(policy)].policy;
        const auto written = dialectFromId(dialect.constData())->write(wanted, *m_loupe);
        if (!written.ok()) { // a dialect without a word for any of it says so
            QCOMPARE(written.error().code, ErrorCode::Unsupported);
            QVERIFY2(written.error().message.find("left unquantized:") != std::string::npos, written.error().message.c_str());
            return;
        }
        std::vector<std::string> warnings;
        const auto back = read(dialect.constData(), written->text, m_loupe.get(), &warnings);
        QVERIFY2(back.ok(), back.ok() ? "" : qPrintable(text(back.error()) + "\n" + QString::fromStdString(written->text)));
        for (const std::string& warning : warnings)
            QVERIFY2(warning.find("unknown key") == std::string::npos, warning.c_str());
        const auto before = wanted.resolve(*m_loupe).value(), after = back->resolve(*m_loupe).value();
        for (size_t i = 0; i < before.size(); ++i) {
            const TensorInfo& tensor = m_loupe->tensors()[i];
            const std::string asked = outcome(tensor, before[i]), got = outcome(tensor, after[i]);
            if (asked != got)
                QVERIFY2(isListed(written->lost, asked, got),
                         (tensor.name + ": " + asked + " became " + got + "\n" + written->text).c_str());
        }
        const auto inputsBefore = wanted.activations.resolve(*m_loupe).value();
        const auto inputsAfter = back->activations.resolve(*m_loupe).value();
        for (size_t i = 0; i < inputsBefore.size(); ++i) {
            if (inputsBefore[i] == inputsAfter[i] || before[i].asStored)
                continue;
            const bool said = std::any_of(written->lost.begin(), written->lost.end(), [](const std::string& line) {
                return line.find("inputs become") != std::string::npos || line.find("activations:") != std::string::npos ||
                       line.find("left unquantized") != std::string::npos;
            });
            QVERIFY2(said, (m_loupe->tensors()[i].name + ": inputs\n" + written->text).c_str());
        }
        const auto ofCache = [](const std::string& line) { return line.find("KV cache") != std::string::npos; };
        QVERIFY(wanted.kvCache == back->kvCache || std::any_of(written->lost.begin(), written->lost.end(), ofCache));
    }

    void aDialectSaysWholeTheThingsItHas_data()
    {
        QTest::addColumn<QByteArray>("dialect");
        QTest::addColumn<QByteArray>("scheme");
        QTest::addColumn<QByteArray>("inputs");
        const auto row = [](const char* dialect, const char* scheme_, const char* inputs = "") {
            QTest::addRow("%s %s", dialect, scheme_) << QByteArray(dialect) << QByteArray(scheme_) << QByteArray(inputs);
        };
        for (const char* known : {"q5_1", "mxfp4"})
            row("llama.cpp", known);
        row("llama.cpp-args", "q8_0");
        for (const char* known : {"int3,asym,group=32", "int4,channel,range=full"})
            row("gptqmodel", known);
        for (const char* known : {"int4,range=full", "nvfp4"})
            row("auto-round", known);
        row("auto-round", "int8,channel,range=full", "int8,range=full");
        row("compressed-tensors", "int4,range=full,clip=mse");
        row("compressed-tensors", "fp8-e4m3,tensor", "fp8-e4m3,tensor");
        row("compressed-tensors", "mxfp4", "mxfp4");
        row("llm-compressor", "int8,channel,range=full", "int8,range=full");
        row("llm-compressor", "nvfp4");
        row("bitsandbytes", "nf4,double");
        row("bitsandbytes", "int8,channel,scale=f32", "int8");
        row("hqq", "int2,asym,group=16");
        row("torchao", "int5,asym,group=64");
        row("torchao", "fp8-e4m3", "fp8-e4m3");
        row("modelopt", "int4,group=64");
        row("modelopt", "fp8-e4m3,tensor", "fp8-e4m3,tensor");
        for (const char* known : {"int6,asym,group=32", "mxfp4"})
            row("mlx", known);
        row("quantloupe", "int4,group=64,clip=percentile:99.9");
    }
    void aDialectSaysWholeTheThingsItHas()
    {
        QFETCH(QByteArray, dialect);
        QFETCH(QByteArray, scheme);
        QFETCH(QByteArray, inputs);
        const Policy policy = uniform(scheme.constData(), inputs.constData());
        const auto written = dialectFromId(dialect.constData())->write(policy, *m_loupe);
        QVERIFY2(written.ok(), written.ok() ? "" : qPrintable(text(written.error())));
        QVERIFY2(written->lost.empty(), written->lost.empty() ? "" : written->lost[0].c_str());
        const auto found = detectDialect(written->text, "file");
        QVERIFY2(found.ok(), written->text.c_str());
        QCOMPARE(QByteArray((*found)->id.data()), dialect);
    }

    void ownPatternsAreKeptWhereTheyServe()
    {
        Policy policy = uniform("int4,range=full");
        policy.rules = {{"self_attn\\.v_proj", {}, -1, -1, scheme("int8,range=full"), ""},
                        {"^model\\.layers\\.2\\..*proj", {}, -1, -1, scheme("f16"), ""}};
        const auto written = dialectFromId("gptqmodel")->write(policy, *m_loupe);
        QVERIFY2(written->text.find("+:.*self_attn\\\\.v_proj") != std::string::npos, written->text.c_str());
        QVERIFY2(written->text.find("-:^model\\\\.layers\\\\.2\\\\..*proj") != std::string::npos, written->text.c_str());
        QVERIFY(written->lost.empty());
    }

    void whatIsLostNamesTensorSchemeAndReason()
    {
        Policy policy = uniform("int4,range=full,clip=percentile:99");
        policy.rules = {{"v_proj", {}, -1, -1, scheme("nf4"), "why"}, {"", {TensorRole::Norm}, -1, -1, scheme("int8"), ""}};
        policy.tensors["model.layers.0.mlp.up_proj.weight"] = {scheme("int8,range=full"), true, ""};
        policy.kvCache.defaultScheme = KvScheme::parse("int8").value();
        policy.activations.defaultScheme = ActivationScheme();
        const auto written = dialectFromId("gptqmodel")->write(policy, *m_loupe);
        QVERIFY(written.ok());
        const auto says = [&](const char* part) {
            return std::any_of(written->lost.begin(), written->lost.end(),
                               [&](const std::string& line) { return line.find(part) != std::string::npos; });
        };
        for (const char* part : {"model.layers.0.self_attn.v_proj.weight, model.layers.1.self_attn.v_proj.weight and 2 more: nf4: "
                                 "left unquantized: GPTQ has integers of 2 to 8 bits only",
                                 "int4,range=full,clip=percentile:99: becomes int4,range=full (clipping of GPTQModel)",
                                 "int8: GPTQModel leaves tensors of role norm alone", "1 note:", "1 lock:", "KV cache:",
                                 "activations:"})
            QVERIFY2(says(part), part);
    }

    void recipesMeanWhatTheirEnginesDo_data()
    {
        QTest::addColumn<int>("index");
        const auto meanings = test::recipeMeanings();
        for (size_t i = 0; i < meanings.size(); ++i)
            QTest::newRow(meanings[i].name) << int(i);
    }
    void recipesMeanWhatTheirEnginesDo()
    {
        QFETCH(int, index);
        const test::RecipeMeaning& meaning = test::recipeMeanings()[size_t(index)];
        const auto policy = read(meaning.dialect, meaning.recipe, m_loupe.get());
        QVERIFY2(policy.ok(), qPrintable(policy.ok() ? QString() : text(policy.error())));
        QCOMPARE(QByteArray::fromStdString(schemeIn(*policy, *m_loupe, meaning.tensor)), QByteArray(meaning.expected));
    }

    void filesAreRecognised_data()
    {
        QTest::addColumn<QByteArray>("recipe");
        QTest::addColumn<QByteArray>("dialect");
        const auto row = [](const char* name, const char* recipe, const char* dialect) {
            QTest::newRow(name) << QByteArray(recipe) << QByteArray(dialect);
        };
        row("AutoGPTQ's quantize_config.json", R"({"bits":4,"group_size":128,"damp_percent":0.01,"desc_act":true,"static_groups":false,
            "sym":true,"true_sequential":true,"model_name_or_path":null,"model_file_base_name":"model"})", "gptqmodel");
        row("MLX", R"({"model_type":"llama","quantization":{"group_size":64,"bits":4},"quantization_config":{"group_size":64,"bits":4}})",
            "mlx");
        row("AutoRound without its name", R"({"bits":4,"group_size":128,"sym":true,"data_type":"int"})", "auto-round");
        row("ModelOpt's config.json", R"({"quantization_config":{"quant_method":"modelopt","quant_algo":"FP8","config_groups":{}}})",
            "modelopt");
        row("compressed-tensors", R"({"quantization_config":{"config_groups":{}}})", "compressed-tensors");
        row("torchao by name", R"({"quantization_config":{"quant_method":"torchao","quant_type":"int8_weight_only"}})", "torchao");
        row("AWQ, which is none of them", R"({"zero_point":true,"q_group_size":128,"w_bit":4,"version":"GEMM"})", "");
    }
    void filesAreRecognised()
    {
        QFETCH(QByteArray, recipe);
        const auto found = detectDialect(recipe.constData(), "file");
        QTEST(QByteArray::fromStdString(found.ok() ? std::string((*found)->id) : ""), "dialect");
    }

    void settingsAreNoLayers()
    {
        std::vector<std::string> warnings;
        const auto policy = read("mlx", R"({"quantization":{"group_size":64,"bits":4,"sym":true,"lm_head":false}})", m_loupe.get(), &warnings);
        QVERIFY(policy.ok());
        QCOMPARE(policy->tensors.size(), size_t(1));
        QVERIFY(warnings.size() == 1 && warnings[0].find("\"sym\"") != std::string::npos);
        warnings.clear();
        QVERIFY(read("compressed-tensors", R"({"config_groups":{"a":{"targets":["LlamaAttention"],"weights":{}}}})", m_loupe.get(), &warnings).ok());
        QVERIFY(warnings.size() == 1 && warnings[0].find("LlamaAttention") != std::string::npos);
    }

    void aQuantizedHeadIsAlwaysNamed()
    {
        Policy policy = uniform("int4,range=full");
        policy.rules = {{"", {TensorRole::LmHead}, -1, -1, scheme("int4,range=full"), ""}};
        const auto written = dialectFromId("gptqmodel")->write(policy, *m_loupe);
        QVERIFY(written.ok() && written->lost.empty());
        const auto back = read("gptqmodel", written->text, m_loupe.get());
        QVERIFY2(back.ok(), back.ok() ? "" : qPrintable(text(back.error())));
        QCOMPARE(schemeIn(*back, *m_loupe, "lm_head.weight"), std::string("int4,range=full"));
    }

    void unknownKeysWarnWithTheirLine()
    {
        std::vector<std::string> warnings;
        QVERIFY(read("gptqmodel", "{\"bits\": 4,\n\"colour\": 3}", nullptr, &warnings).ok() && warnings.size() == 1);
        QCOMPARE(QByteArray::fromStdString(warnings[0]), QByteArray("file: line 2: unknown key \"colour\" is ignored"));
        warnings.clear();
        QVERIFY(read("llm-compressor", "extra: 1\na_stage:\n  b_modifiers:\n    SmoothQuantModifier: {}\n    GPTQModifier:\n"
                                       "      scheme: W4A16\n      speed: 9\n", nullptr, &warnings).ok());
        QCOMPARE(warnings.size(), size_t(3));
        QVERIFY(warnings[0].find("line 1") != std::string::npos && warnings[1].find("line 4") != std::string::npos);
        QVERIFY(warnings[2].find("line 7") != std::string::npos);
    }

    void withoutAModelPatternsStayInTheRecipesNames()
    {
        const auto policy = read("llama.cpp", "ffn_up=q5_1", nullptr);
        QVERIFY(policy.ok() && policy->rules.size() == 1);
        QCOMPARE(policy->rules[0].match, std::string("ffn_up"));
        const auto hugging = read("bitsandbytes", R"({"load_in_4bit":true,"llm_int8_skip_modules":["lm_head"]})", nullptr);
        QCOMPARE(QByteArray::fromStdString(schemeIn(*hugging, *m_loupe, "lm_head.weight")), QByteArray("as stored"));
    }

    void withoutAModelWhatIsKeptHasAType()
    {
        const char* skips = R"({"load_in_4bit":true,"llm_int8_skip_modules":["lm_head"]})";
        std::vector<std::string> warnings;
        QVERIFY(read("bitsandbytes", skips, nullptr, &warnings).ok());
        QCOMPARE(warnings, std::vector<std::string>{"file: what stays unquantized is written as f16; a model tells how it is stored"});
        warnings.clear();
        QVERIFY(read("bitsandbytes", skips, m_loupe.get(), &warnings).ok() && warnings.empty());
        QVERIFY(read("bitsandbytes", R"({"load_in_4bit":true})", nullptr, &warnings).ok() && warnings.empty());
    }

    void namesOfAGgufModelAreTranslated()
    {
        std::vector<test::TestTensor> tensors;
        for (const test::TestTensor& tensor : test::runnableLlamaTensors()) {
            tensors.push_back(tensor);
            tensors.back().name = ggufName(tensor.name, "llama").value();
        }
        const auto memory = test::makeModel(tensors);
        Model::Contents contents;
        contents.format = ModelFormat::Gguf;
        contents.architecture = "llama";
        contents.tensors = memory->tensors();
        contents.files = memory->files();
        const Model model(std::move(contents));
        const auto policy = read("mlx", R"({"quantization":{"group_size":32,"bits":4,"model.layers.0.mlp.up_proj":{"group_size":32,"bits":8}}})",
                                 &model);
        QCOMPARE(QByteArray::fromStdString(schemeIn(*policy, model, "blk.0.ffn_up.weight")), QByteArray("int8,asym,group=32"));
        const auto written = dialectFromId("mlx")->write(*policy, model);
        QVERIFY(written.ok() && written->text.find("model.layers.0.mlp.up_proj") != std::string::npos);
    }

    void expertsAreGathered()
    {
        std::vector<test::TestTensor> tensors;
        for (int layer = 0; layer < 12; ++layer) {
            for (int expert = 0; expert < 8; ++expert)
                tensors.push_back(test::balancedMatrix("model.layers." + std::to_string(layer) + ".block_sparse_moe.experts." +
                                                           std::to_string(expert) + ".w1",
                                                       32, 32, TensorRole::ExpertGate, layer, 7));
        }
        const auto model = test::makeModel(tensors, {}, "mixtral");
        Policy policy = uniform("int4,group=32,range=full");
        policy.rules = {{"layers\\.(1|10)\\.", {}, -1, -1, scheme("int8,group=32,range=full"), ""},
                        {"layers\\.4\\..*experts\\.[25]\\.", {}, -1, -1, scheme("int2,group=32,range=full"), ""}};
        const auto written = dialectFromId("torchao")->write(policy, *model);
        QVERIFY2(written->text.find(R"(re:model\\.layers\\.(1|10)\\.block_sparse_moe\\.experts\\.[0-9]+\\.w1")") != std::string::npos,
                 written->text.c_str());
        QVERIFY2(written->text.find(R"(re:model\\.layers\\.4\\.block_sparse_moe\\.experts\\.(2|5)\\.w1")") != std::string::npos,
                 written->text.c_str());
        const auto back = read("torchao", written->text, model.get());
        const auto before = policy.resolve(*model).value(), after = back->resolve(*model).value();
        const auto alike = [](const Decision& a, const Decision& b) { return a.scheme == b.scheme; };
        QVERIFY(std::equal(before.begin(), before.end(), after.begin(), after.end(), alike));
    }

    void malformedRecipesAreRefused_data()
    {
        QTest::addColumn<int>("index");
        const auto bad = test::badRecipes();
        for (size_t i = 0; i < bad.size(); ++i)
            QTest::addRow("%s: %s", bad[i].dialect, bad[i].name) << int(i);
    }
    void malformedRecipesAreRefused()
    {
        QFETCH(int, index);
        const test::BadRecipe& bad = test::badRecipes()[size_t(index)];
        for (const Model* model : {static_cast<const Model*>(nullptr), m_loupe.get()}) {
            if (model && std::string_view(bad.name) == "mixture without a model")
                continue;
            const auto policy = read(bad.dialect, bad.text, model);
            QVERIFY(!policy.ok());
            QVERIFY2(policy.error().code == bad.code, qPrintable(text(policy.error())));
            const std::string where = bad.line ? "file: line " + std::to_string(bad.line) : "file";
            QVERIFY2(policy.error().where == where || policy.error().where.starts_with(where + " ("), qPrintable(text(policy.error())));
            QVERIFY(policy.error().message.find('\n') == std::string::npos);
        }
    }

    void everyTruncationEndsInAnErrorOrAPolicy()
    {
        const Policy policy = policies()[10].policy;
        for (const Dialect& dialect : dialects()) {
            const auto written = dialect.write(policy, *m_loupe);
            if (!written.ok())
                continue;
            const size_t step = std::max<size_t>(1, written->text.size() / 200);
            for (size_t size = 0; size < written->text.size(); size += step) {
                const auto read = dialect.read({std::string_view(written->text).substr(0, size), "file", nullptr, nullptr});
                if (!read.ok())
                    QVERIFY(!read.error().message.empty());
            }
        }
    }

    /// Made by tests/data/dialects/check_with_engines.py, and accepted there by the engines' own parsers.
    void textsThatEnginesAcceptedStayAsTheyAre_data()
    {
        QTest::addColumn<QByteArray>("dialect");
        for (const Dialect& dialect : dialects()) {
            if (dialect.id != "quantloupe")
                QTest::addRow("%s", dialect.id.data()) << QByteArray(dialect.id.data(), qsizetype(dialect.id.size()));
        }
    }
    void textsThatEnginesAcceptedStayAsTheyAre()
    {
        QFETCH(QByteArray, dialect);
        const std::string folder = QL_TEST_DATA "/dialects/";
        const bool gguf = dialect.startsWith("llama");
        const auto policy = Policy::load(folder + (gguf ? "gguf.json" : dialect == "bitsandbytes" ? "nf4.json" : "mixed.json"));
        QVERIFY(policy.ok());
        const auto written = dialectFromId(dialect.constData())->write(*policy, *m_loupe);
        QVERIFY2(written.ok(), written.ok() ? "" : qPrintable(text(written.error())));
        const auto golden = readWholeFile(folder + dialect.toStdString() + ".golden", 1 << 20);
        QVERIFY(golden.ok());
        QCOMPARE(QString::fromStdString(written->text), QString::fromStdString(*golden));
    }
};

QTEST_GUILESS_MAIN(TestDialects)
#include "tst_dialects.moc"
