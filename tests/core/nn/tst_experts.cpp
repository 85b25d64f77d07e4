// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Models with experts: what the hooks see, what replacing one expert changes, and files that do not fit. Logits are
// tested in tst_network.
#include "core/nn/network.h"
#include "support/testmodels.h"

#include <QTest>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

using namespace ql;

namespace {

const std::string kData = QL_TEST_DATA "/networks/";
const std::vector<TokenIds> kSequences{{3, 17, 5, 40, 8, 8, 21, 60, 2}, {}, {11, 12, 30, 4, 9}};
constexpr uint64_t kTokens = 14;

std::shared_ptr<const Network> open(const std::string& path)
{
    const auto network = Network::create(Model::open(kData + path).value());
    if (!network)
        qFatal("%s", network.error().text().c_str());
    return *network;
}

/// The places of all rows that enter, by input.
struct Watching : NetworkHooks {
    const Network* network = nullptr;
    std::map<int, std::vector<std::pair<int, int64_t>>> rows;
    bool shapes = true, ordered = true;
    Status linearInput(int input, const TokenRange& tokens, RowMatrix& x) override
    {
        shapes = shapes && x.rows() == tokens.count && x.cols() == network->inputs()[size_t(input)].channels &&
                 (tokens.places.empty() || int64_t(tokens.places.size()) == tokens.count);
        auto& seen = rows[input];
        for (int64_t r = 0; r < tokens.count; ++r) {
            if (tokens.places.empty())
                seen.emplace_back(tokens.sequence, tokens.first + r);
            else
                seen.emplace_back(tokens.places[size_t(r)].sequence, tokens.places[size_t(r)].position);
        }
        ordered = ordered && std::is_sorted(seen.begin(), seen.end());
        return {};
    }
};

std::vector<RowMatrix> runBlock(const Network& network, int layer, const Network::Weights& block,
                                NetworkHooks* hooks = nullptr, int threads = 2)
{
    ThreadPool pool(threads);
    auto hidden = *network.embed(kSequences, network.storedWeights(), {});
    if (const Status run = network.runBlock(layer, block, hidden, pool, hooks, {}); !run.ok())
        qFatal("%s", run.error().text().c_str());
    return hidden;
}

/// Values of one tensor doubled; by rows, or only as a whole.
WeightReader doubled(const Network& network, int tensor, bool byRows)
{
    const WeightReader stored = network.storedWeights();
    const auto change = [tensor](int read, std::span<float> out) {
        for (float& v : out)
            v *= read == tensor ? 2.0f : 1.0f;
    };
    if (!byRows)
        return [=](int read, std::span<float> out) -> Status {
            QL_CHECK(stored(read, out));
            change(read, out);
            return {};
        };
    return [=](int read, int64_t firstRow, std::span<float> out) -> Status {
        QL_CHECK(stored.rows(read, firstRow, out));
        change(read, out);
        return {};
    };
}

} // namespace

class TestExperts : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void everyTokenGoesToItsExperts_data()
    {
        QTest::addColumn<QString>("path");
        for (const char* path : {"mixtral", "mixtral/model.gguf", "qwen2moe", "qwen2moe/model.gguf", "qwen3moe-mixed"})
            QTest::newRow(path) << path;
    }
    void everyTokenGoesToItsExperts()
    {
        QFETCH(QString, path);
        const auto network = open(path.toStdString());
        Watching hooks;
        hooks.network = network.get();
        const auto hasExperts = [&](int l) { return network->config().hasExperts(l); };
        for (int layer = 0; layer < network->config().layers; ++layer)
            runBlock(*network, layer, **network->loadBlock(layer, network->storedWeights()), &hooks);
        QVERIFY(hooks.shapes && hooks.ordered);
        std::map<std::pair<int, TensorRole>, uint64_t> rows;
        for (const auto& [number, places] : hooks.rows) {
            const LinearInput& input = network->inputs()[size_t(number)];
            const LinearSite& site = network->sites()[size_t(input.sites[0])];
            QCOMPARE(input.expert, site.expert);
            QCOMPARE(std::set(places.begin(), places.end()).size(), places.size());
            if (input.expert < 0)
                QCOMPARE(places.size(), size_t(kTokens));
            else
                rows[{input.layer, site.role}] += places.size();
        }
        for (int layer = 0; layer < network->config().layers; ++layer) {
            const uint64_t expected = hasExperts(layer) ? kTokens * uint64_t(network->config().expertsUsed) : 0;
            QCOMPARE((rows[{layer, TensorRole::ExpertGate}]), expected);
            QCOMPARE((rows[{layer, TensorRole::ExpertDown}]), expected);
        }
    }

    void sitesTellExpertsApart_data()
    {
        QTest::addColumn<QString>("path");
        QTest::addColumn<bool>("stacked");
        QTest::newRow("apart") << "qwen2moe" << false;
        QTest::newRow("stacked") << "qwen2moe/model.gguf" << true;
    }
    void sitesTellExpertsApart()
    {
        QFETCH(QString, path);
        QFETCH(bool, stacked);
        const auto network = open(path.toStdString());
        std::set<int> tensors;
        int experts = 0;
        for (size_t i = 0; i < network->sites().size(); ++i) {
            const LinearSite& site = network->sites()[i];
            const TensorInfo& tensor = network->model()->tensors()[size_t(site.tensor)];
            QCOMPARE(site.role, tensor.role);
            QCOMPARE(site.cols, tensor.cols());
            QCOMPARE(site.rows * (site.expert >= 0 && stacked ? 4 : 1), tensor.rows());
            QCOMPARE(site.firstRow, site.expert >= 0 && stacked ? site.expert * site.rows : 0);
            if (tensors.insert(site.tensor).second)
                QCOMPARE(network->siteOfTensor(site.tensor), int(i));
            experts += site.expert >= 0 ? 1 : 0;
        }
        QCOMPARE(experts, 2 * 4 * 3);
        QCOMPARE(tensors.size(), size_t(2 * (4 + 2 + 3 + (stacked ? 3 : 12)) + 1));
    }

    void oneExpertIsReplacedAndComesBack_data()
    {
        QTest::addColumn<bool>("byRows");
        QTest::newRow("by rows") << true;
        QTest::newRow("as a whole") << false;
    }
    void oneExpertIsReplacedAndComesBack()
    {
        QFETCH(bool, byRows);
        const auto network = open("mixtral");
        const auto block = *network->loadBlock(1, network->storedWeights());
        Watching hooks;
        hooks.network = network.get();
        const auto before = runBlock(*network, 1, *block, &hooks);
        const int tensor = network->model()->indexOf("model.layers.1.block_sparse_moe.experts.2.w2.weight");
        const int site = network->siteOfTensor(tensor);
        QCOMPARE(network->sites()[size_t(site)].expert, 2);
        QVERIFY(network->reload(*block, site, doubled(*network, tensor, byRows)).ok());
        const auto after = runBlock(*network, 1, *block);
        const auto& routed = hooks.rows[network->sites()[size_t(site)].input];
        QVERIFY(!routed.empty() && routed.size() < kTokens);
        for (size_t s = 0; s < before.size(); ++s) {
            for (int64_t t = 0; t < before[s].rows(); ++t) {
                const bool sent = std::find(routed.begin(), routed.end(), std::pair(int(s), t)) != routed.end();
                QCOMPARE((after[s].row(t) - before[s].row(t)).cwiseAbs().maxCoeff() > 1e-3f, sent);
                QVERIFY(sent || after[s].row(t) == before[s].row(t));
            }
        }
        QVERIFY(network->reload(*block, site, network->storedWeights()).ok());
        const auto back = runBlock(*network, 1, *block);
        QVERIFY(back[0] == before[0] && back[2] == before[2]);
        const auto other = *network->loadBlock(0, network->storedWeights());
        QCOMPARE(codeName(network->reload(*other, site, network->storedWeights()).error().code),
                 codeName(ErrorCode::InvalidArgument));
    }

    void aStackIsReplacedAsAWhole_data() { oneExpertIsReplacedAndComesBack_data(); }
    void aStackIsReplacedAsAWhole()
    {
        QFETCH(bool, byRows);
        const auto network = open("mixtral/model.gguf");
        const int tensor = network->model()->indexOf("blk.0.ffn_down_exps.weight");
        const WeightReader reader = doubled(*network, tensor, byRows);
        const auto block = *network->loadBlock(0, network->storedWeights());
        QVERIFY(network->reload(*block, network->siteOfTensor(tensor), reader).ok());
        const auto expected = runBlock(*network, 0, **network->loadBlock(0, reader));
        const auto found = runBlock(*network, 0, *block);
        const auto before = runBlock(*network, 0, **network->loadBlock(0, network->storedWeights()));
        QVERIFY(found[0] == expected[0] && found[2] == expected[2]);
        for (int64_t t = 0; t < before[0].rows(); ++t)
            QVERIFY(found[0].row(t) != before[0].row(t));
    }

    void gateAndUpStackedInOneAsTransformersKeepsThem()
    {
        const auto apart = open("qwen3moe");
        const Model& model = *apart->model();
        const auto stack = [&](const std::string& module, std::initializer_list<const char*> parts, Shape shape) {
            test::TestTensor tensor{module + (parts.size() > 1 ? "gate_up_proj" : "down_proj"), {}, std::move(shape)};
            for (int expert = 0; expert < 4; ++expert) {
                for (const char* part : parts) {
                    const TensorView view =
                        model.view(model.indexOf(module + std::to_string(expert) + '.' + part + ".weight")).value();
                    std::vector<float> values(size_t(view.count()));
                    if (!view.readRows(0, view.rows(), values.data()))
                        qFatal("cannot read");
                    tensor.values.insert(tensor.values.end(), values.begin(), values.end());
                }
            }
            return tensor;
        };
        std::vector<test::TestTensor> tensors;
        for (size_t i = 0; i < model.tensors().size(); ++i) {
            const TensorInfo& info = model.tensors()[i];
            const TensorView view = model.view(int(i)).value();
            test::TestTensor copy{info.name, std::vector<float>(size_t(view.count())), info.shape, info.role, info.layer};
            QVERIFY(view.readRows(0, view.rows(), copy.values.data()).ok());
            if (info.name.find(".experts.") == std::string::npos)
                tensors.push_back(std::move(copy));
        }
        for (const char* layer : {"0", "1"}) {
            const std::string module = std::string("model.layers.") + layer + ".mlp.experts.";
            tensors.push_back(stack(module, {"gate_proj", "up_proj"}, {4, 48, 16}));
            tensors.push_back(stack(module, {"down_proj"}, {4, 16, 24}));
        }
        const auto stacked = Network::create(test::makeModel(tensors, model.configJson(), "qwen3moe"));
        QVERIFY2(stacked.ok(), stacked.ok() ? "" : stacked.error().text().c_str());
        ThreadPool pool(2);
        const RowMatrix expected = *forward(*apart, kSequences[0], pool);
        const RowMatrix found = *forward(**stacked, kSequences[0], pool);
        QVERIFY((found - expected).cwiseAbs().maxCoeff() < 1e-5f * expected.cwiseAbs().maxCoeff());
    }

    void threadsDoNotMatter()
    {
        const auto network = open("qwen2moe");
        const auto block = *network->loadBlock(0, network->storedWeights());
        const auto one = runBlock(*network, 0, *block, nullptr, 1);
        const auto three = runBlock(*network, 0, *block, nullptr, 3);
        QVERIFY(one[0] == three[0] && one[2] == three[2]);
    }

    void routerThatGivesNoNumbersDoesNotCrash()
    {
        const auto network = open("qwen3moe");
        const int router = network->model()->indexOf("model.layers.0.mlp.gate.weight");
        const WeightReader stored = network->storedWeights();
        const WeightReader reader = [&](int tensor, std::span<float> out) -> Status {
            QL_CHECK(stored(tensor, out));
            if (tensor == router)
                std::fill(out.begin(), out.end(), NAN);
            return {};
        };
        QVERIFY(runBlock(*network, 0, **network->loadBlock(0, reader))[0].hasNaN());
    }

    void filesThatDoNotFit_data()
    {
        QTest::addColumn<QString>("tensor");
        QTest::addColumn<bool>("remove");
        QTest::newRow("no router") << "model.layers.0.mlp.gate.weight" << true;
        QTest::newRow("an expert lacks") << "model.layers.1.mlp.experts.3.up_proj.weight" << true;
        QTest::newRow("another shape") << "model.layers.1.mlp.experts.3.up_proj.weight" << false;
        QTest::newRow("router of other experts") << "model.layers.0.mlp.gate.weight" << false;
    }
    void filesThatDoNotFit()
    {
        QFETCH(QString, tensor);
        QFETCH(bool, remove);
        const auto model = Model::open(kData + "qwen3moe").value();
        std::vector<test::TestTensor> tensors;
        for (const TensorInfo& info : model->tensors()) {
            test::TestTensor copy;
            copy.name = info.name;
            copy.role = info.role;
            copy.layer = info.layer;
            copy.shape = info.shape;
            const bool meant = info.name == tensor.toStdString();
            copy.shape[0] += meant ? 1 : 0;
            copy.values.resize(size_t(*elementCount(copy.shape)));
            if (!meant || !remove)
                tensors.push_back(std::move(copy));
        }
        const auto network = Network::create(test::makeModel(tensors, model->configJson(), "qwen3moe"));
        QVERIFY(!network.ok());
        QCOMPARE(codeName(network.error().code),
                 codeName(remove ? ErrorCode::NoSuchTensor : ErrorCode::SizeMismatch));
        QVERIFY2(QString::fromStdString(network.error().text()).contains(tensor), network.error().text().c_str());
        QVERIFY(network.error().text().find('\n') == std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestExperts)
#include "tst_experts.moc"
