// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The forward pass against numbers that PyTorch and transformers computed; tests/data/networks/make_networks.py made
// them.
#include "core/nn/network.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

#include <cmath>

using namespace ql;

namespace {

const std::string kData = QL_TEST_DATA "/networks/";

std::vector<float> valuesOf(const Model& model, std::string_view name)
{
    const auto view = model.view(model.indexOf(name));
    if (!view)
        qFatal("%s", view.error().text().c_str());
    std::vector<float> values(size_t(view->count()));
    if (!view->readRows(0, view->rows(), values.data()))
        qFatal("cannot read");
    return values;
}

TokenIds idsOf(const Model& model)
{
    const std::vector<float> values = valuesOf(model, "ids");
    return TokenIds(values.begin(), values.end());
}

/// Largest difference relative to the largest expected magnitude.
double difference(const RowMatrix& values, const std::vector<float>& expected)
{
    if (values.size() != int64_t(expected.size()))
        return INFINITY;
    double largest = 0;
    double error = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
        largest = std::max(largest, std::abs(double(expected[i])));
        error = std::max(error, std::abs(double(expected[i]) - double(values.data()[i])));
    }
    return std::isfinite(values.sum()) ? error / largest : INFINITY;
}

std::shared_ptr<const Network> open(const std::string& path)
{
    const auto model = Model::open(path);
    if (!model) {
        qWarning("%s", model.error().text().c_str());
        return nullptr;
    }
    const auto network = Network::create(*model);
    if (!network) {
        qWarning("%s", network.error().text().c_str());
        return nullptr;
    }
    return *network;
}

} // namespace

class TestNetwork : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void logitsAgreeWithPyTorch_data()
    {
        QTest::addColumn<QString>("folder");
        QTest::addColumn<QString>("file");
        QTest::addColumn<QString>("expected");
        const QDir data(QString::fromStdString(kData));
        for (const QString& folder : data.entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
            const QDir inside(data.filePath(folder));
            for (const QString& config : inside.entryList({"config*.json"})) {
                const QString variant = config == "config.json" ? "plain" : config.mid(7).chopped(5);
                QTest::newRow(qPrintable(folder + " " + variant)) << folder << config << variant;
            }
            for (const QString& file : inside.entryList({"*.gguf"})) {
                const QString variant = file.chopped(5);
                QTest::newRow(qPrintable(folder + " " + file)) << folder << file << (variant == "model" ? "gguf" : variant);
            }
        }
    }
    void logitsAgreeWithPyTorch()
    {
        QFETCH(QString, folder);
        QFETCH(QString, file);
        QFETCH(QString, expected);
        const std::string source = kData + folder.toStdString() + '/';
        test::Folder copy;
        std::string path = source + file.toStdString();
        if (file.endsWith(".json")) {
            QVERIFY(QFile::copy(QString::fromStdString(source + "model.safetensors"),
                                QString::fromStdString(copy.path("model.safetensors"))));
            QVERIFY(QFile::copy(QString::fromStdString(path), QString::fromStdString(copy.path("config.json"))));
            path = copy.path();
        }
        const auto network = open(path);
        QVERIFY(network);
        const auto golden = Model::open(source + "expected.safetensors");
        QVERIFY(golden.ok());
        ThreadPool pool(2);
        const auto logits = forward(*network, idsOf(**golden), pool);
        QVERIFY2(logits.ok(), logits.ok() ? "" : logits.error().text().c_str());
        const double error = difference(*logits, valuesOf(**golden, expected.toStdString()));
        QVERIFY2(error < 1e-4, qPrintable(QString("relative difference %1").arg(error)));
    }

    void bundledModelPredictsItsText()
    {
        const auto network = open(QL_RESOURCES "/models/loupe-3m");
        QVERIFY(network);
        const auto golden = Model::open(kData + "loupe-3m/expected.safetensors");
        QVERIFY(golden.ok());
        const TokenIds ids = idsOf(**golden);
        ThreadPool pool(2);
        const auto logits = forward(*network, ids, pool);
        QVERIFY2(logits.ok(), logits.ok() ? "" : logits.error().text().c_str());
        double loss = 0;
        for (int64_t t = 0; t + 1 < logits->rows(); ++t) {
            const Eigen::ArrayXd row = logits->row(t).cast<double>().array();
            loss += std::log((row - row.maxCoeff()).exp().sum()) + row.maxCoeff() - row[ids[size_t(t) + 1]];
        }
        loss /= double(logits->rows() - 1);
        QVERIFY(std::abs(loss - double(valuesOf(**golden, "loss")[0])) < 1e-5);
        QVERIFY(difference(logits->bottomRows(4), valuesOf(**golden, "last")) < 1e-4);
    }
};

QTEST_GUILESS_MAIN(TestNetwork)
#include "tst_network.moc"
