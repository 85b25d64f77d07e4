// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What tensor names mean in every family, the mapping to GGUF names and back, architectures, and the order of tensors.
#include "core/model/names.h"
#include "core/model/naturalorder.h"

#include <QTest>

using namespace ql;

namespace {

QString qstring(std::string_view text)
{
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

TensorInfo tensor(const std::string& name, Shape shape = {4, 4})
{
    TensorInfo info;
    info.name = name;
    info.shape = std::move(shape);
    return info;
}

} // namespace

class TestNames : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void rolesHaveNames()
    {
        for (const TensorRole role : allRoles())
            QVERIFY(roleFromName(roleName(role)) == role);
        QVERIFY(!roleFromName("nothing"));
        QVERIFY(isLinear(TensorRole::AttnQ) && isLinear(TensorRole::ExpertDown));
        QVERIFY(!isLinear(TensorRole::Norm) && !isLinear(TensorRole::Embedding) && !isLinear(TensorRole::LmHead));
    }

    void namesOfEveryFamily_data()
    {
        QTest::addColumn<QString>("architecture");
        QTest::addColumn<QString>("hf");
        QTest::addColumn<QString>("role");
        QTest::addColumn<int>("layer");
        QTest::addColumn<QString>("gguf"); ///< empty: GGUF drops it
        QTest::addColumn<bool>("back");    ///< the GGUF name leads back to exactly this HF name
        QTest::addColumn<bool>("transposed");
        const auto row = [](const char* architecture, const char* hf, const char* role, int layer, const char* gguf,
                            bool back = true, bool transposed = false) {
            QTest::addRow("%s %s", architecture, hf)
                << architecture << hf << role << layer << gguf << back << transposed;
        };
        for (const char* arch : {"llama", "mistral", "qwen2", "qwen3", "gemma"}) {
            row(arch, "model.embed_tokens.weight", "embedding", -1, "token_embd.weight");
            row(arch, "model.norm.weight", "norm", -1, "output_norm.weight");
            row(arch, "lm_head.weight", "lm_head", -1, "output.weight");
            row(arch, "model.layers.0.input_layernorm.weight", "norm", 0, "blk.0.attn_norm.weight");
            row(arch, "model.layers.3.self_attn.q_proj.weight", "q_proj", 3, "blk.3.attn_q.weight");
            row(arch, "model.layers.3.self_attn.q_proj.bias", "bias", 3, "blk.3.attn_q.bias");
            row(arch, "model.layers.31.self_attn.k_proj.weight", "k_proj", 31, "blk.31.attn_k.weight");
            row(arch, "model.layers.31.self_attn.v_proj.weight", "v_proj", 31, "blk.31.attn_v.weight");
            row(arch, "model.layers.127.self_attn.o_proj.weight", "o_proj", 127, "blk.127.attn_output.weight");
            row(arch, "model.layers.1.post_attention_layernorm.weight", "norm", 1, "blk.1.ffn_norm.weight");
            row(arch, "model.layers.1.mlp.gate_proj.weight", "gate_proj", 1, "blk.1.ffn_gate.weight");
            row(arch, "model.layers.1.mlp.up_proj.weight", "up_proj", 1, "blk.1.ffn_up.weight");
            row(arch, "model.layers.1.mlp.down_proj.weight", "down_proj", 1, "blk.1.ffn_down.weight");
            row(arch, "layers.2.mlp.up_proj.weight", "up_proj", 2, "blk.2.ffn_up.weight", false);
            row(arch, "model.layers.0.self_attn.rotary_emb.inv_freq", "rope_freqs", 0, "");
        }
        row("qwen3", "model.layers.5.self_attn.q_norm.weight", "norm", 5, "blk.5.attn_q_norm.weight");
        row("qwen3", "model.layers.5.self_attn.k_norm.weight", "norm", 5, "blk.5.attn_k_norm.weight");
        row("llama", "language_model.model.layers.4.mlp.up_proj.weight", "up_proj", 4, "blk.4.ffn_up.weight", false);
        row("llama", "model.language_model.layers.4.mlp.up_proj.weight", "up_proj", 4, "blk.4.ffn_up.weight", false);
        row("llama", "language_model.lm_head.weight", "lm_head", -1, "output.weight", false);

        row("gemma2", "model.layers.0.input_layernorm.weight", "norm", 0, "blk.0.attn_norm.weight");
        row("gemma2", "model.layers.0.post_attention_layernorm.weight", "norm", 0, "blk.0.post_attention_norm.weight");
        row("gemma2", "model.layers.0.pre_feedforward_layernorm.weight", "norm", 0, "blk.0.ffn_norm.weight");
        row("gemma2", "model.layers.0.post_feedforward_layernorm.weight", "norm", 0, "blk.0.post_ffw_norm.weight");
        row("gemma2", "model.layers.0.mlp.gate_proj.weight", "gate_proj", 0, "blk.0.ffn_gate.weight");

        row("phi3", "model.layers.7.self_attn.qkv_proj.weight", "qkv_proj", 7, "blk.7.attn_qkv.weight");
        row("phi3", "model.layers.7.self_attn.o_proj.weight", "o_proj", 7, "blk.7.attn_output.weight");
        row("phi3", "model.layers.7.mlp.gate_up_proj.weight", "gate_up_proj", 7, "blk.7.ffn_up.weight");
        row("phi3", "model.layers.7.mlp.down_proj.weight", "down_proj", 7, "blk.7.ffn_down.weight");

        for (const bool prefixed : {true, false}) {
            const auto gpt2 = [&](const std::string& hf, const char* role, int layer, const char* gguf,
                                  bool transposed) {
                row("gpt2", ((prefixed ? "transformer." : "") + hf).c_str(), role, layer, gguf, prefixed, transposed);
            };
            gpt2("wte.weight", "embedding", -1, "token_embd.weight", false);
            gpt2("wpe.weight", "position_embedding", -1, "position_embd.weight", false);
            gpt2("ln_f.weight", "norm", -1, "output_norm.weight", false);
            gpt2("ln_f.bias", "bias", -1, "output_norm.bias", false);
            gpt2("h.0.ln_1.weight", "norm", 0, "blk.0.attn_norm.weight", false);
            gpt2("h.0.attn.c_attn.weight", "qkv_proj", 0, "blk.0.attn_qkv.weight", true);
            gpt2("h.0.attn.c_attn.bias", "bias", 0, "blk.0.attn_qkv.bias", false);
            gpt2("h.11.attn.c_proj.weight", "o_proj", 11, "blk.11.attn_output.weight", true);
            gpt2("h.11.ln_2.weight", "norm", 11, "blk.11.ffn_norm.weight", false);
            gpt2("h.11.mlp.c_fc.weight", "up_proj", 11, "blk.11.ffn_up.weight", true);
            gpt2("h.11.mlp.c_proj.weight", "down_proj", 11, "blk.11.ffn_down.weight", true);
            gpt2("h.11.attn.bias", "other", 11, "", false);
            gpt2("h.11.attn.masked_bias", "other", 11, "", false);
        }
        row("gpt2", "lm_head.weight", "lm_head", -1, "output.weight");

        row("gptneox", "gpt_neox.embed_in.weight", "embedding", -1, "token_embd.weight");
        row("gptneox", "gpt_neox.final_layer_norm.bias", "bias", -1, "output_norm.bias");
        row("gptneox", "embed_out.weight", "lm_head", -1, "output.weight");
        row("gptneox", "gpt_neox.layers.2.attention.query_key_value.weight", "qkv_proj", 2, "blk.2.attn_qkv.weight");
        row("gptneox", "gpt_neox.layers.2.attention.dense.weight", "o_proj", 2, "blk.2.attn_output.weight");
        row("gptneox", "gpt_neox.layers.2.input_layernorm.weight", "norm", 2, "blk.2.attn_norm.weight");
        row("gptneox", "gpt_neox.layers.2.post_attention_layernorm.weight", "norm", 2, "blk.2.ffn_norm.weight");
        row("gptneox", "gpt_neox.layers.2.mlp.dense_h_to_4h.weight", "up_proj", 2, "blk.2.ffn_up.weight");
        row("gptneox", "gpt_neox.layers.2.mlp.dense_4h_to_h.weight", "down_proj", 2, "blk.2.ffn_down.weight");
        row("gptneox", "gpt_neox.layers.2.attention.bias", "other", 2, "");
        row("gptneox", "gpt_neox.layers.2.attention.masked_bias", "other", 2, "");
        row("gptneox", "gpt_neox.layers.2.attention.rotary_emb.inv_freq", "rope_freqs", 2, "");

        row("opt", "model.decoder.embed_tokens.weight", "embedding", -1, "");
        row("opt", "model.decoder.embed_positions.weight", "position_embedding", -1, "");
        row("opt", "decoder.layers.9.self_attn.out_proj.weight", "o_proj", 9, "");
        row("opt", "model.decoder.layers.9.self_attn.q_proj.bias", "bias", 9, "");
        row("opt", "model.decoder.layers.9.fc1.weight", "up_proj", 9, "");
        row("opt", "model.decoder.layers.9.fc2.weight", "down_proj", 9, "");
        row("opt", "model.decoder.layers.9.self_attn_layer_norm.weight", "norm", 9, "");
        row("opt", "model.decoder.final_layer_norm.weight", "norm", -1, "");

        for (const bool prefixed : {true, false}) {
            const auto bert = [&](const std::string& hf, const char* role, int layer, const char* gguf) {
                row("bert", ((prefixed ? "bert." : "") + hf).c_str(), role, layer, gguf, prefixed);
            };
            bert("embeddings.word_embeddings.weight", "embedding", -1, "token_embd.weight");
            bert("embeddings.position_embeddings.weight", "position_embedding", -1, "position_embd.weight");
            bert("embeddings.token_type_embeddings.weight", "token_type_embedding", -1, "token_types.weight");
            bert("embeddings.LayerNorm.weight", "norm", -1, "token_embd_norm.weight");
            bert("encoder.layer.6.attention.self.query.weight", "q_proj", 6, "blk.6.attn_q.weight");
            bert("encoder.layer.6.attention.self.key.bias", "bias", 6, "blk.6.attn_k.bias");
            bert("encoder.layer.6.attention.self.value.weight", "v_proj", 6, "blk.6.attn_v.weight");
            bert("encoder.layer.6.attention.output.dense.weight", "o_proj", 6, "blk.6.attn_output.weight");
            bert("encoder.layer.6.attention.output.LayerNorm.bias", "bias", 6, "blk.6.attn_output_norm.bias");
            bert("encoder.layer.6.intermediate.dense.weight", "up_proj", 6, "blk.6.ffn_up.weight");
            bert("encoder.layer.6.output.dense.weight", "down_proj", 6, "blk.6.ffn_down.weight");
            bert("encoder.layer.6.output.LayerNorm.weight", "norm", 6, "blk.6.layer_output_norm.weight");
            bert("pooler.dense.weight", "pooler", -1, "");
        }
        row("bert", "bert.embeddings.LayerNorm.gamma", "norm", -1, "token_embd_norm.weight", false);
        row("bert", "bert.embeddings.LayerNorm.beta", "bias", -1, "token_embd_norm.bias", false);

        row("mixtral", "model.layers.4.block_sparse_moe.gate.weight", "router", 4, "blk.4.ffn_gate_inp.weight");
        row("mixtral", "model.layers.4.block_sparse_moe.experts.7.w1.weight", "expert_gate", 4,
            "blk.4.ffn_gate_exps.weight", false);
        row("mixtral", "model.layers.4.block_sparse_moe.experts.0.w2.weight", "expert_down", 4,
            "blk.4.ffn_down_exps.weight", false);
        row("mixtral", "model.layers.4.block_sparse_moe.experts.1.w3.weight", "expert_up", 4,
            "blk.4.ffn_up_exps.weight", false);
        row("qwen3moe", "model.layers.4.mlp.gate.weight", "router", 4, "blk.4.ffn_gate_inp.weight");
        row("qwen3moe", "model.layers.4.mlp.experts.127.up_proj.weight", "expert_up", 4,
            "blk.4.ffn_up_exps.weight", false);
        row("qwen3moe", "model.layers.4.mlp.experts.down_proj", "expert_down", 4, "blk.4.ffn_down_exps.weight", false);
        row("qwen2moe", "model.layers.4.mlp.shared_expert.up_proj.weight", "up_proj", 4, "blk.4.ffn_up_shexp.weight");
        row("qwen2moe", "model.layers.4.mlp.shared_expert_gate.weight", "router", 4, "blk.4.ffn_gate_inp_shexp.weight");
    }
    void namesOfEveryFamily()
    {
        QFETCH(QString, architecture);
        QFETCH(QString, hf);
        QFETCH(QString, gguf);
        QFETCH(bool, back);
        const std::string arch = architecture.toStdString();
        const NameFacts facts = classifyName(hf.toStdString(), arch);
        QTEST(qstring(roleName(facts.role)), "role");
        QTEST(facts.layer, "layer");
        QTEST(facts.transposed, "transposed");

        const auto mapped = ggufName(hf.toStdString(), arch);
        QCOMPARE(QString::fromStdString(mapped.value_or("")), gguf);
        if (!mapped)
            return;
        QCOMPARE(hfName(*mapped, arch) == hf.toStdString(), back);
        const NameFacts ofGguf = classifyName(*mapped, arch);
        QTEST(qstring(roleName(ofGguf.role)), "role");
        QTEST(ofGguf.layer, "layer");
        QVERIFY(!ofGguf.transposed);
    }

    void ggufNamesAlone_data()
    {
        QTest::addColumn<QString>("role");
        QTest::addColumn<int>("layer");
        QTest::newRow("rope_freqs.weight") << "rope_freqs" << -1;
        QTest::newRow("blk.3.ffn_gate.5.weight") << "expert_gate" << 3;
        QTest::newRow("blk.3.ffn_gate_up_exps.weight") << "expert_gate_up" << 3;
        QTest::newRow("blk.3.ffn_up.scale") << "companion" << 3;
        QTest::newRow("blk.3.something_new.weight") << "other" << 3;
        QTest::newRow("blk.3.sub_norm.weight") << "norm" << 3;
    }
    void ggufNamesAlone()
    {
        const NameFacts facts = classifyName(QTest::currentDataTag(), "falcon");
        QTEST(qstring(roleName(facts.role)), "role");
        QTEST(facts.layer, "layer");
    }

    void quantizedCheckpoints_data()
    {
        QTest::addColumn<QString>("role");
        const std::string q = "model.layers.0.self_attn.q_proj";
        for (const char* suffix :
             {".scales", ".qzeros", ".g_idx", ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax",
              ".weight.nested_quant_map", ".weight.quant_state.bitsandbytes__nf4", ".SCB", ".weight_format",
              ".weight_scale", ".weight_scale_inv", ".weight_zero_point", ".weight_shape", ".weight_global_scale",
              ".weight_scale_2", ".input_scale", ".weight.scales", ".weight.zeros", ".biases", ".k_scale"})
            QTest::newRow((q + suffix).c_str()) << "companion";
        for (const char* suffix : {".qweight", ".weight_packed", ".weight.codes"})
            QTest::newRow((q + suffix).c_str()) << "q_proj";
        QTest::newRow("model.layers.0.mlp.experts.gate_up_proj_blocks") << "expert_gate_up";
        QTest::newRow("model.layers.0.mlp.experts.gate_up_proj_scales") << "companion";
    }
    void quantizedCheckpoints()
    {
        const NameFacts facts = classifyName(QTest::currentDataTag(), "qwen3moe");
        QTEST(qstring(roleName(facts.role)), "role");
        QVERIFY(isLinear(facts.owner));
        QCOMPARE(facts.layer, 0);
        if (facts.role == TensorRole::Companion)
            QVERIFY(!ggufName(QTest::currentDataTag(), "qwen3moe"));
    }

    void unknownFamiliesStillTellSomething_data()
    {
        QTest::addColumn<QString>("role");
        QTest::addColumn<int>("layer");
        QTest::newRow("backbone.layers.12.mixer.in_proj.weight") << "other" << 12;
        QTest::newRow("backbone.layers.12.norm.weight") << "norm" << 12;
        QTest::newRow("backbone.layers.12.mixer.in_proj.bias") << "bias" << 12;
        QTest::newRow("h.0.attn.c_attn.weight") << "qkv_proj" << 0;
        QTest::newRow("weight") << "other" << -1;
        QTest::newRow("0.weight") << "other" << -1;
        QTest::newRow("norm.scale") << "norm" << -1;
        QTest::newRow("layers.123456789012345678901234567890.weight") << "other" << -1;
        QTest::newRow("layers.007.weight") << "other" << -1;
        QTest::newRow("layers.-1.weight") << "other" << -1;
        QTest::newRow("....") << "other" << -1;
        QTest::newRow(".weight") << "other" << -1;
        QTest::newRow(".bias") << "other" << -1;
        QTest::newRow("{}.{}") << "other" << -1;
    }
    void unknownFamiliesStillTellSomething()
    {
        const NameFacts facts = classifyName(QTest::currentDataTag(), "something_new");
        QTEST(qstring(roleName(facts.role)), "role");
        QTEST(facts.layer, "layer");
        QVERIFY(!facts.transposed);
        QVERIFY(!ggufName(QTest::currentDataTag(), "something_new"));
        QVERIFY(!hfName(QTest::currentDataTag(), "something_new"));
    }

    void oneExpertOfOldFiles()
    {
        QCOMPARE(*hfName("blk.4.ffn_up.7.weight", "mixtral"),
                 std::string("model.layers.4.block_sparse_moe.experts.7.w3.weight"));
        QCOMPARE(*hfName("blk.4.ffn_down.0.weight", "qwen3moe"),
                 std::string("model.layers.4.mlp.experts.0.down_proj.weight"));
        QVERIFY(!hfName("blk.4.ffn_up_exps.weight", "mixtral"));
        QVERIFY(!hfName("blk.4.attn_q.7.weight", "mixtral"));
    }

    void architectures()
    {
        QCOMPARE(canonicalArchitecture("gpt_neox"), std::string("gptneox"));
        QCOMPARE(canonicalArchitecture("qwen3_moe"), std::string("qwen3moe"));
        QCOMPARE(canonicalArchitecture("llama"), std::string("llama"));
        QCOMPARE(canonicalArchitecture(""), std::string("unknown"));
        QCOMPARE(architectureOfClass("LlamaForCausalLM"), std::string("llama"));
        QCOMPARE(architectureOfClass("Gemma2ForCausalLM"), std::string("gemma2"));
        QCOMPARE(architectureOfClass("GemmaForCausalLM"), std::string("gemma"));
        QCOMPARE(architectureOfClass("GPT2LMHeadModel"), std::string("gpt2"));
        QCOMPARE(architectureOfClass("Qwen2MoeForCausalLM"), std::string("qwen2moe"));
        QCOMPARE(architectureOfClass("NobodyKnows"), std::string());
        QCOMPARE(ggufArchitecture("mistral").value(), std::string("llama"));
        QVERIFY(!ggufArchitecture("opt"));
        QVERIFY(!ggufArchitecture("unknown"));
    }

    void guessesTheArchitecture_data()
    {
        QTest::addColumn<QStringList>("names");
        QTest::addColumn<QString>("architecture");
        QTest::newRow("nothing") << QStringList() << "unknown";
        QTest::newRow("strangers") << QStringList{"a.weight", "b"} << "unknown";
        QTest::newRow("llama") << QStringList{"model.layers.0.self_attn.q_proj.weight"} << "llama";
        QTest::newRow("qwen2") << QStringList{"model.layers.0.self_attn.q_proj.weight",
                                              "model.layers.0.self_attn.q_proj.bias"} << "qwen2";
        QTest::newRow("qwen3") << QStringList{"model.layers.0.self_attn.q_proj.weight",
                                              "model.layers.0.self_attn.q_norm.weight"} << "qwen3";
        QTest::newRow("gemma2") << QStringList{"model.layers.0.self_attn.q_proj.weight",
                                               "model.layers.0.pre_feedforward_layernorm.weight"} << "gemma2";
        QTest::newRow("phi3") << QStringList{"model.layers.0.self_attn.qkv_proj.weight"} << "phi3";
        QTest::newRow("gptneox") << QStringList{"gpt_neox.layers.0.attention.query_key_value.weight"} << "gptneox";
        QTest::newRow("opt") << QStringList{"model.decoder.layers.0.self_attn.q_proj.weight",
                                            "model.decoder.embed_positions.weight"} << "opt";
        QTest::newRow("bert") << QStringList{"encoder.layer.0.attention.self.query.weight"} << "bert";
        QTest::newRow("mixtral") << QStringList{"model.layers.0.self_attn.q_proj.weight",
                                                "model.layers.0.block_sparse_moe.gate.weight"} << "mixtral";
    }
    void guessesTheArchitecture()
    {
        QFETCH(QStringList, names);
        std::vector<TensorInfo> tensors;
        for (const QString& name : names)
            tensors.push_back(tensor(name.toStdString()));
        QTEST(QString::fromStdString(guessArchitecture(tensors)), "architecture");
    }

    void gpt2IsKnownByItsShape()
    {
        const std::string name = "h.0.attn.c_attn.weight";
        QCOMPARE(guessArchitecture(std::vector{tensor(name, {768, 2304})}), std::string("gpt2"));
        QCOMPARE(guessArchitecture(std::vector{tensor(name, {2304, 768})}), std::string("unknown"));
        std::vector<TensorInfo> tensors{tensor(name, {768, 2304}), tensor("h.0.attn.c_attn.bias", {2304})};
        classifyAndSort(tensors, "gpt2");
        QVERIFY(tensors[0].transposed && !tensors[1].transposed);
        QCOMPARE(tensors[0].rows(), int64_t(2304));
        QCOMPARE(tensors[0].cols(), int64_t(768));
    }

    void numbersSortAsNumbers()
    {
        QVERIFY(naturalLess("layers.2.x", "layers.10.x"));
        QVERIFY(!naturalLess("layers.10.x", "layers.2.x"));
        QVERIFY(naturalLess("a", "b") && naturalLess("a", "aa") && !naturalLess("a", "a"));
        QVERIFY(naturalLess("a1b2", "a1b10"));
        QVERIFY(naturalLess("x99999999999999999999998", "x99999999999999999999999"));
        QVERIFY(naturalLess("a01", "a1") != naturalLess("a1", "a01"));
        QVERIFY(naturalLess("a", "\xC3\xA4"));
    }

    void tensorsComeInTheOrderOfTheNetwork()
    {
        const std::vector<std::string> expected{
            "model.embed_tokens.weight",
            "model.layers.0.input_layernorm.weight",
            "model.layers.0.self_attn.q_proj.weight",
            "model.layers.0.self_attn.q_proj.bias",
            "model.layers.0.self_attn.q_proj.scales",
            "model.layers.0.self_attn.k_proj.weight",
            "model.layers.0.self_attn.o_proj.weight",
            "model.layers.0.mlp.gate_proj.weight",
            "model.layers.0.mlp.up_proj.weight",
            "model.layers.0.mlp.down_proj.weight",
            "model.layers.2.mlp.up_proj.weight",
            "model.layers.10.mlp.up_proj.weight",
            "model.norm.weight",
            "lm_head.weight",
        };
        std::vector<TensorInfo> tensors;
        for (const std::string& name : expected)
            tensors.push_back(tensor(name));
        std::reverse(tensors.begin(), tensors.end());
        classifyAndSort(tensors, "llama");
        std::vector<std::string> names;
        for (const TensorInfo& info : tensors)
            names.push_back(info.name);
        QCOMPARE(names, expected);
    }
};

QTEST_GUILESS_MAIN(TestNames)
#include "tst_names.moc"
